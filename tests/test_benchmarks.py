"""What the benchmarks measure is what they say: same work, right counts, and they run without a GPU."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import forked
import numpy as np
import pandas as pd
import pytest
import torch
from accidents import SHARED_TARGETS, shared_config
from conftest import PROJECT, TINY, Workspace, new_workspace, tiny_config
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForSequenceClassification

from benchmarks import (
    children,
    disk,
    gpu,
    groups,
    kills,
    multi_task,
    overhead,
    passes,
    peer,
    precision,
    results,
    scale,
    sweep,
    training,
    warm,
)
from benchmarks.__main__ import BY_NAME, NAMES
from benchmarks.data import Place, Task, environment
from benchmarks.machine import SUFFIX
from benchmarks.results import interval, spread
from benchmarks.rounded import PRODUCTS, Rounded
from supertickets.encoder.batches import batch_of, sorted_batches
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import build, read_model
from supertickets.encoder.ticket import Shape, Ticket
from supertickets.engine import linear
from supertickets.engine.device import Compute
from supertickets.jobs.warm import FOLDER
from supertickets.tickets.importance import method_of
from supertickets.tickets.sample import Sample
from supertickets.training.loop import losses_of

EXACT = Compute(torch.device("cpu"), "fp32")
SMALL = {key: value for key, value in TINY.items() if key != "model_type"}


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings start in processes that have imported everything."""
    modules = [f"benchmarks.{name}" for name in ("ours", "peer", "masks", "multi_task_training")]

    def ended(module: str, text: str) -> subprocess.CompletedProcess[str]:
        return forked.call(modules, f"benchmarks.{module}:main", [], PROJECT, environment(), text)

    monkeypatch.setattr(children, "ended", ended)


@pytest.mark.parametrize("ticket", [Ticket.full(3, 4), Ticket(((0, 1, 3), (2,), (0, 1)), (0, 2), 4)])
def test_the_arithmetic_of_a_training_is_what_torch_counts(
    tmp_path: Path, ticket: Ticket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "through_onednn", lambda: False)  # torch does not count oneDNN's
    gpu.write_task(tmp_path / "task.parquet", 9, 8, TINY["vocab_size"])
    data = Encoded.read(tmp_path / "task.parquet")
    model = build(TINY, ticket, 2, 0.1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    with FlopCounterMode(display=False) as counter:
        batch = batch_of(data, np.arange(8), 0, EXACT)
        losses_of(model(batch), batch.labels).mean().backward()
    counts = counter.get_flop_counts()["Global"]
    products = sum(count for name, count in counts.items() if name in (torch.ops.aten.mm, torch.ops.aten.addmm))
    shape = Shape(3, 4, 32, 48, 0)
    head = 6 * 32 * 2 * 8  # the task head, which is not counted
    assert products - head == pytest.approx(training.arithmetic(ticket, shape, 8 * 9 + 1, 8), rel=1e-9)


@pytest.mark.slow
def test_peer_and_project_do_the_same_steps_side_by_side(tmp_path: Path, forks: None) -> None:
    """The GPU's benchmark on a CPU and a tiny model: two processes of each at once."""
    rows = gpu.measure(tmp_path, [gpu.Size(16, 2, 2)], "cpu", **SMALL)
    assert rows[0]["processes"] == 2 and rows[0]["ours"] > 0 and rows[0]["trainer"] > 0
    asked = {
        "model": str(tmp_path / "model"),
        "encoded": str(tmp_path / "16-2.parquet"),
        "rows": list(range(40)),
        "evaluated": [64, 65],
        "seed": 1,
        "settings": children.SETTINGS | {"threads": 1, "epochs": 2, "outputs": 2},
    }
    tuned = asked | {"way": "tuned", "precision": "fp32", "save": str(tmp_path / "saved")}
    ours, peer = children.run("ours", asked), children.run("peer", tuned)
    assert ours["steps"] == peer["steps"] == 4
    assert sorted(ours["labels"]) == sorted(peer["labels"]) and np.shape(peer["outputs"]) == (2, 2)
    # The published importance and ours are the same numbers.
    scores = tmp_path / "importance.csv"
    children.run("masks", asked | {"saved": str(tmp_path / "saved"), "importance": str(scores)})
    data = Encoded.read(Path(asked["encoded"]))
    head = torch.Generator()
    saved = read_model(tmp_path / "model/config.json", tmp_path / "saved/model.safetensors", None, 2, 0.1, head)
    batches = sorted_batches(np.arange(40), data.lengths[:40], 32)
    found = method_of("sensitivity")(Sample(saved, data, batches, EXACT, np.random.default_rng(0)))
    expected = pd.read_csv(scores)["score"]
    np.testing.assert_allclose(np.concatenate([*found[0], found[1]]), expected, rtol=1e-3)


def test_a_training_that_fails_is_an_error_with_its_message() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)benchmarks\.ours failed.*KeyError: 'model'"):
        children.run("ours", {})


@pytest.mark.parametrize("context", [torch.enable_grad, torch.inference_mode])
def test_products_of_bfloat16_are_computed_in_float32_and_rounded(context: Any) -> None:
    class Counting(TorchDispatchMode):
        """Which types products are computed in."""

        types: ClassVar[list[torch.dtype]] = []

        def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
            if function.overloadpacket in PRODUCTS:
                self.types.append(args[0].dtype)
            return function(*args, **kwargs or {})

    torch.manual_seed(0)
    layer, values = torch.nn.Linear(64, 50).bfloat16(), torch.randn(30, 64).bfloat16()
    with context():
        expected = layer(values)
        with Counting(), Rounded():
            found = layer(values)
    assert Counting.types and set(Counting.types) == {torch.float32}
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected, rtol=2**-7, atol=2**-7)


def test_scores_and_spreads_in_words() -> None:
    answer = {"outputs": [[0.1, 0.9], [0.8, 0.2], [0.4, 0.6], [1.0, 0.0]], "labels": [1.0, 0.0, 0.0, 0.0]}
    assert children.score(answer) == 75
    assert children.score({"outputs": [[1.0], [2.0], [3.0]], "labels": [2.0, 4.0, 6.0]}) == pytest.approx(100)
    assert spread([3, 1, 2]) == "2 (1 to 3)"
    assert interval([1.0, 2.0, 3.0]) == "+2.00 (-0.48 to +4.48)"


def test_units_multiplied_by_zero_train_as_units_that_are_cut(tmp_path: Path, forks: None) -> None:
    """The two ways of the benchmark of several tasks do the same; without dropout their losses are the same too."""
    gpu.write_model(tmp_path / "model", **SMALL, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    gpu.write_task(tmp_path / "task.parquet", 9, 24, TINY["vocab_size"])
    task = Task("task", tmp_path / "task.parquet", 2, tmp_path / "model")
    tickets = [Ticket(((0, 1, 3), (2,), (0, 1)), (0, 2), 4), Ticket(((2,), (0, 1), (3,)), (1,), 4)]
    losses = {}
    for name, way in multi_task.WAYS.items():
        asked = multi_task.asked_for([task, task], tickets, 1, way)
        asked["settings"] |= {"classifier_dropout": 0.0, "threads": 1, "precision": "fp32"}
        losses[name] = np.array(children.run("multi_task_training", asked)["losses"])
    np.testing.assert_allclose(losses["published"], losses["cut, zero gradient"], rtol=1e-4)


@pytest.mark.parametrize("way", multi_task.WAYS)
def test_every_way_of_several_tasks_trains_in_bfloat16(tmp_path: Path, way: str, forks: None) -> None:
    gpu.write_model(tmp_path / "model", **SMALL)
    gpu.write_task(tmp_path / "task.parquet", 9, 24, TINY["vocab_size"])
    task = Task("task", tmp_path / "task.parquet", 2, tmp_path / "model")
    ticket = Ticket(((0, 1, 3), (2,), (0, 1)), (0, 2), 4)
    asked = multi_task.asked_for([task], [ticket], 1, multi_task.WAYS[way])
    asked["settings"] |= {"threads": 1, "precision": "bf16", "epochs": 1}
    assert np.isfinite(children.run("multi_task_training", asked)["losses"]).all()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny experiment with two tasks of two classes, nothing made yet; its config can be read from anywhere."""
    folder = tmp_path_factory.mktemp("benchmarks") / "the project"
    config: Any = tiny_config(tasks=["toy", "toy_other"], ratios=[0.3], seeds=[1])
    tasks = config["define"]["tasks"]
    tasks["toy_other"] = tasks["toy"] | {"split": {"seed": 9}}
    for definition in (config["define"]["models"]["tiny"], *tasks.values()):
        definition["path"] = str(folder / definition["path"])
    return new_workspace(folder, config)


@pytest.fixture
def toy(project: Workspace) -> Place:
    return Place(project.folder, "tiny", ("toy",))


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where benchmarks write in the test; few examples and repeats."""
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    for module, values in {
        training: {"SEEDS": (1, 2), "TRAIN": 16, "EVALUATED": 8, "THREADS": 1, "RATIOS": (0.3,)},
        passes: {"REPEATS": 1, "TRAIN": 16, "EVALUATED": 8},
        overhead: {"REPEATS": 1},
        precision: {"SEEDS": (1, 2), "EVALUATED": 8, "TRAIN": {"toy": 16}, "SETTINGS": {"toy": {"threads": 1}}},
        multi_task: {"SEEDS": (1,), "TRAIN": 16, "THREADS": 1, "RATIOS": (0.3, 0.5)},
        gpu: {"SHAPES": ((8, 8, 8),), "PEAK": ((16, 16, 16),)},
        scale: {"SEEDS": 1, "SEEDS_OF_JOBS": 2, "SEEDS_OF_RUNS": 3, "EXAMPLES": 20},
        # Single-task runs are killed by test_accidents.
        kills: {"EXPERIMENTS": {"multi-task": (lambda: shared_config(epochs=30), SHARED_TARGETS, 1)}},
        groups: {"RATIOS": [0.3]},
    }.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)
    return tmp_path / "results"


def page_of(folder: Path, name: str) -> str:
    """What a benchmark has written for people; nothing else is there."""
    assert {path.name for path in folder.iterdir()} == {f"{name}.md", f"{name}.json"}
    return (folder / f"{name}.md").read_text()


@pytest.mark.slow
def test_training_measures_all_ways(written: Path, toy: Place, forks: None) -> None:
    training.main(toy)
    page = page_of(written, f"training{SUFFIX}")
    assert "tiny on 16 sentences of `toy`" in page and page.count("| Trainer") == 3


def test_passes_measures_importance_and_evaluation(written: Path, toy: Place, forks: None) -> None:
    passes.main(toy)
    assert "predicting 8 sentences" in page_of(written, f"passes{SUFFIX}")


@pytest.mark.slow
def test_overhead_measures_a_run_as_its_rule_starts_it(
    written: Path, toy: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (FOLDER, "PATH", "PYTHONPATH"):  # so that they are as before in the end
        monkeypatch.setenv(name, os.environ.get(name, ""))
    overhead.main(toy)
    assert "everything else, s" in page_of(written, f"overhead{SUFFIX}")


@pytest.mark.slow
def test_warm_measures_a_call_both_ways(written: Path, project: Workspace) -> None:
    warm.main(project.folder, {"a training": ("results/runs/tiny/toy/n32/seed1/full/record.json",)})
    assert "Of a training, warm jobs take 0." in page_of(written, f"warm{SUFFIX}")


def test_the_published_way_skips_blocks_and_multiplies_heads_by_zero() -> None:
    """It computes what a model with all pruned units multiplied by zero does, and no pruned block at all."""
    ticket, called = Ticket(((0, 1, 3), (2,), (0, 1)), (0, 2), 4), []
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(**SMALL)).eval()
    zeroed = copy.deepcopy(model)
    peer.apply_as_published(model, ticket)
    for index, layer in enumerate(zeroed.bert.encoder.layer):
        own = model.bert.encoder.layer[index]
        own.intermediate.register_forward_hook(lambda *_, index=index: called.append(index))
        for head in set(range(4)) - set(ticket.heads[index]):
            width = zeroed.config.hidden_size // 4
            layer.attention.output.dense.weight.data[:, head * width : (head + 1) * width] = 0.0
        if index not in ticket.ffn:
            layer.output.dense.weight.data.zero_()
            layer.output.dense.bias.data.zero_()
    tokens = torch.arange(1, 9)[None]
    torch.testing.assert_close(model(tokens).logits, zeroed(tokens).logits)
    assert called == [0, 2]


@pytest.mark.slow
def test_precision_compares_both(written: Path, toy: Place, monkeypatch: pytest.MonkeyPatch, forks: None) -> None:
    monkeypatch.delenv("GLUE", raising=False)
    precision.main(toy)
    assert "| toy " in page_of(written, "precision")


@pytest.mark.slow
def test_multi_task_measures_every_way(written: Path, project: Workspace, forks: None) -> None:
    multi_task.main(Place(project.folder, "tiny", ("toy", "toy_other")))
    page = page_of(written, f"multi_task{SUFFIX}")
    assert all(page.count(f"| {way:18} |") == 2 for way in multi_task.WAYS)


@pytest.mark.slow
def test_gpu_needs_one_and_computes_the_same_table_elsewhere(
    written: Path, project: Workspace, monkeypatch: pytest.MonkeyPatch, forks: None
) -> None:
    for name in (FOLDER, "PATH", "PYTHONPATH"):  # so that they are as before in the end
        monkeypatch.setenv(name, os.environ.get(name, ""))
    gpu.main("cpu", [gpu.Size(16, 2, 1)], project.folder, **SMALL)
    page = page_of(written, "gpu")
    assert "share of peak" in page and "The main figure, through `profiles/gpu`" in page
    assert re.search(r"test_device.py`: \d+ passed", page) and "failed" not in page
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no CUDA device"):
        gpu.main()


@pytest.mark.slow
def test_disk_estimates_from_a_small_experiment(
    written: Path, project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((project.folder / "config.yaml").read_text())
    (project.folder / "small.yaml").write_text(json.dumps(config | {"tasks": ["toy"], "multi_task": False}))
    monkeypatch.setattr(disk, "ROOT", project.folder)
    monkeypatch.setattr(disk, "SMOKE", project.folder / "small.yaml")
    disk.main()
    assert "their predictions" in page_of(written, "disk")
    assert "40 multi-task encoders" in page_of(written, "disk")  # 20 of them of MNLI alone


@pytest.mark.slow
def test_sweep_draws_the_figure_both_ways(written: Path, project: Workspace, forks: None) -> None:
    sweep.main(project.folder)
    page = page_of(written, f"sweep{SUFFIX}")
    assert "2 tasks, 1 seeds, the full model and 1 ratios" in page and "nan" not in page


@pytest.mark.slow
def test_scale_plans_and_judges_a_grid(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = {"models": ["bert-base"], "tasks": ["rte"], "train_sizes": ["all"], "kinds": ["winning", "random"]}
    (tmp_path / "paper.yaml").write_text(json.dumps(paper | {"ratios": [0.1, 0.3]}))
    monkeypatch.setattr(scale, "PAPER", tmp_path / "paper.yaml")
    scale.main()
    page = page_of(written, "scale")
    assert "| score, 2 jobs" in page and "| aggregate, one job" in page


@pytest.mark.slow
def test_kills_counts_what_comes_of_them(written: Path) -> None:
    kills.main()
    assert "runs that continued from a checkpoint" in page_of(written, "kills")
    found = json.loads((written / "kills.json").read_text())
    assert found["multi-task"]["wrong"] == []


@pytest.mark.slurm
def test_groups_measures_a_job_both_ways(written: Path) -> None:
    groups.main()
    assert "one snakemake for all" in page_of(written, "groups")


def test_every_benchmark_is_run_by_a_test() -> None:
    source = Path(__file__).read_text()
    assert [name for name in (*NAMES, *BY_NAME) if f"{name}.main(" not in source] == []
    documented = (PROJECT / "benchmarks" / "README.md").read_text()
    assert [name for name in (*NAMES, *BY_NAME) if f"| `{name}` |" not in documented] == []

"""What the benchmarks measure is what they say: same work, right counts, and they run without a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import children, gpu, multi_task, training
from benchmarks.data import Task
from benchmarks.results import interval, spread
from benchmarks.rounded import PRODUCTS, Rounded
from supertickets.encoder.batches import batch_of, sorted_batches
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import build, read_model
from supertickets.encoder.ticket import Shape, Ticket
from supertickets.engine.device import Compute
from supertickets.tickets.methods import sensitivity
from supertickets.tickets.sample import Sample
from supertickets.training.loop import losses_of

EXACT = Compute(torch.device("cpu"), "fp32")
SMALL = {key: value for key, value in TINY.items() if key != "model_type"}


@pytest.mark.parametrize("ticket", [Ticket.full(3, 4), Ticket(((0, 1, 3), (2,), (0, 1)), (0, 2), 4)])
def test_the_arithmetic_of_a_training_is_what_torch_counts(tmp_path: Path, ticket: Ticket) -> None:
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


def test_peer_and_project_do_the_same_steps_side_by_side(tmp_path: Path) -> None:
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
    with pytest.raises(RuntimeError, match=r"benchmarks\.peer failed"):
        children.run("peer", asked)

    # The published importance and ours are the same numbers.
    scores = tmp_path / "importance.csv"
    children.run("masks", asked | {"saved": str(tmp_path / "saved"), "importance": str(scores)})
    data = Encoded.read(Path(asked["encoded"]))
    head = torch.Generator()
    saved = read_model(tmp_path / "model/config.json", tmp_path / "saved/model.safetensors", None, 2, 0.1, head)
    batches = sorted_batches(np.arange(40), data.lengths[:40], 32)
    found = sensitivity(Sample(saved, data, batches, EXACT, np.random.default_rng(0)))
    expected = pd.read_csv(scores)["score"]
    np.testing.assert_allclose(np.concatenate([*found[0], found[1]]), expected, rtol=1e-3)


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


def test_units_multiplied_by_zero_train_as_units_that_are_cut(tmp_path: Path) -> None:
    """The two ways of the benchmark of several tasks do the same; without dropout their losses are the same too."""
    gpu.write_model(tmp_path / "model", **SMALL, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    gpu.write_task(tmp_path / "task.parquet", 9, 24, TINY["vocab_size"])
    task = Task("task", tmp_path / "task.parquet", 2)
    tickets = [Ticket(((0, 1, 3), (2,), (0, 1)), (0, 2), 4), Ticket(((2,), (0, 1), (3,)), (1,), 4)]
    losses = {}
    for name, way in multi_task.WAYS.items():
        asked = multi_task.asked_for([task, task], tickets, 1, way) | {"model": str(tmp_path / "model")}
        asked["settings"] |= {"classifier_dropout": 0.0, "threads": 1, "precision": "fp32"}
        losses[name] = np.array(children.run("joint", asked)["losses"])
    np.testing.assert_allclose(losses["zeros"], losses["cut, zero gradient"], rtol=1e-4)

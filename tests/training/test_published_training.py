"""Training as the published code does it, by keys: the optimizer, the order of batches, and the epochs that count."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import toy, write_tiny_task
from safetensors.torch import load_file
from test_checkpoints import EPOCH, LAST, made, send
from tiny_runs import encoded, run
from torch import nn

from supertickets.data.task import prepare_task
from supertickets.encoder.batches import epochs_of
from supertickets.engine.optimizer import BETAS, Optimizer
from supertickets.errors import InterruptedRunError, UserError
from supertickets.experiment.config import check_config
from supertickets.experiment.multi_task import multi_task_settings, task_settings
from supertickets.experiment.settings import importance_epoch, scored_settings, training_of
from supertickets.multi_task.loop import MultiTaskSettings, schedule
from supertickets.seeds import places_of
from supertickets.training.settings import settings_from

__all__ = ["encoded", "send"]  # the fixtures


@pytest.mark.parametrize("kind", ["adamax", "adamw"])
def test_without_bias_correction_optimizers_are_the_formula(kind: str) -> None:
    """Kingma and Ba 2015, algorithms 1 and 2, without the division by 1 - beta^t, in float64."""
    torch.manual_seed(0)
    model, eps, decay = nn.Sequential(nn.Linear(5, 7)), 1e-3, 0.1
    expected = {name: value.detach().double().numpy() for name, value in model.named_parameters()}
    first, second = ({name: np.zeros(value.shape) for name, value in expected.items()} for _ in range(2))
    optimizer = Optimizer(model, kind, decay, eps=eps, bias_correction=False)
    for rate in (0.05, 0.04, 0.03):
        model(torch.randn(9, 5)).square().mean().backward()
        for name, value in model.named_parameters():
            gradient, shrink = value.grad.double().numpy(), 1 - rate * decay * (name == "0.weight")
            first[name] = BETAS[0] * first[name] + (1 - BETAS[0]) * gradient
            if kind == "adamax":
                second[name] = divisor = np.maximum(BETAS[1] * second[name], np.abs(gradient) + eps)
            else:
                second[name] = BETAS[1] * second[name] + (1 - BETAS[1]) * gradient**2
                divisor = np.sqrt(second[name]) + eps
            expected[name] = shrink * expected[name] - rate * first[name] / divisor
        optimizer.step(rate, clip_norm=1e9)
        for name, value in model.named_parameters():
            np.testing.assert_allclose(value.detach().numpy(), expected[name], rtol=1e-5, atol=1e-6)


def test_batches_of_neighbours_come_in_one_order_for_all_epochs() -> None:
    rows, places = np.array([7, 2, 5, 0, 3]), np.array([30, 9, 10, 11, 12, 50, 14, 20])
    epochs = epochs_of(rows, 2, np.random.default_rng(1), places)
    one, other = ([batch.tolist() for batch in next(epochs)] for _ in range(2))
    assert sorted(one) == sorted([[2, 3], [7, 0], [5]])  # places 10, 12; 20, 30; 50
    assert one == other
    orders = [
        [batch.tolist() for batch in next(epochs_of(rows, 2, np.random.default_rng(seed), places))] for seed in range(9)
    ]
    assert any(order != one for order in orders)


def test_the_order_of_a_tasks_files_is_known(tmp_path: Path) -> None:
    write_tiny_task(tmp_path / "toy.tsv")
    prepare_task(toy(tmp_path / "toy.tsv"), tmp_path / "toy.parquet")
    table = pd.read_parquet(tmp_path / "toy.parquet")
    definition_seed = toy(tmp_path / "toy.tsv").get("split", {}).get("seed", 0)
    ids = table["id"].to_numpy()[np.argsort(places_of(len(table), definition_seed))]
    assert ids.tolist() == pd.read_csv(tmp_path / "toy.tsv", sep="\t")["id"].tolist()


def test_tasks_that_are_trained_together_have_batches_of_neighbours_too() -> None:
    common = {"optimizer": "adamax", "learning_rate": 0.1, "batch_size": 2, "epochs": 2, "warmup": 0.0}
    common |= {"weight_decay": 0.0, "clip_norm": 1.0, "sampler": "proportional", "temperature": 1.0, "cap": 1}
    common |= {"eps": 1e-8, "bias_correction": True}
    settings = MultiTaskSettings(**common, untouched="frozen", batches="consecutive")
    rows = [np.arange(6), np.arange(4)]
    turns = schedule(rows, settings, 1, [np.arange(6)[::-1], np.arange(4)])
    one, other = next(turns), next(turns)
    for task, expected in enumerate(([[1, 0], [3, 2], [5, 4]], [[0, 1], [2, 3]])):
        batches = [[batch.tolist() for number, batch in epoch if number == task] for epoch in (one, other)]
        assert sorted(batches[0]) == expected and batches[0] == batches[1]


def test_a_run_with_the_keys_of_the_published_code(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    keys = {"eps": 1e-6, "bias_correction": False, "batches": "consecutive", "order_seed": 7}
    usual, published = run(encoded, tiny, tmp_path / "usual"), run(encoded, tiny, tmp_path / "published", **keys)
    assert json.loads((published / "record.json").read_text())["settings"]["eps"] == 1e-6
    assert made(usual) != made(published)


def scores(folder: Path) -> float:
    table = pd.read_parquet(folder / "predictions.parquet").query("split == 'validation'")
    return float((np.stack(table["logits"].tolist()).argmax(axis=1) == table["label"]).mean())


BEST = {"model_epoch": "best", "best_by": {"metric": "accuracy", "validation": None}}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_best_epoch_is_that_of_trainings_that_stop_there(
    encoded: Path, tiny: Path, tmp_path: Path, precision: str
) -> None:
    changes = {"learning_rate": 3e-2, "epochs": 5, "precision": precision}
    stopped = [run(encoded, tiny, tmp_path / f"{epoch}", model_epoch=epoch, **changes) for epoch in range(1, 6)]
    assert made(stopped[-1]) == made(run(encoded, tiny, tmp_path / "last", **changes))
    assert json.loads((stopped[1] / "record.json").read_text())["steps"] == 2 * 9
    by_epoch = [scores(folder) for folder in stopped]
    assert len({*by_epoch}) > 1
    best = run(encoded, tiny, tmp_path / "best", **changes, **BEST)
    record = json.loads((best / "record.json").read_text())
    assert (record["epoch"], record["steps"]) == (1 + int(np.argmax(by_epoch)), 5 * 9)
    assert scores(best) == max(by_epoch)
    if precision == "fp32":  # else rounding makes different digits of other lengths of sums
        mine, theirs = (load_file(folder / "model.safetensors") for folder in (best, stopped[record["epoch"] - 1]))
        for name, tensor in theirs.items():
            torch.testing.assert_close(mine[name], tensor, rtol=1e-4, atol=1e-5)


def test_a_training_that_looks_for_its_best_epoch_continues_after_a_stop(
    encoded: Path, tiny: Path, tmp_path: Path, send: Any
) -> None:
    changes = {"learning_rate": 3e-2, **BEST}
    undisturbed = run(encoded, tiny, tmp_path / "undisturbed", **changes)
    out, steps = tmp_path / "stopped", (EPOCH, EPOCH + 2, LAST)
    send(signal.SIGTERM, *steps)
    for _ in steps:
        with pytest.raises(InterruptedRunError):
            run(encoded, tiny, out, **changes)
    run(encoded, tiny, out, **changes)
    assert made(out) == made(undisturbed)
    epochs = [json.loads((folder / "record.json").read_text())["epoch"] for folder in (out, undisturbed)]
    assert epochs[0] == epochs[1]


def test_a_model_whose_scores_are_all_undefined_is_that_of_the_last_epoch(
    encoded: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supertickets.training.run.validation_score", lambda *_: float("nan"))
    record = json.loads((run(encoded, tiny, tmp_path / "run", **BEST) / "record.json").read_text())
    assert record["epoch"] == 3


PAPER = {
    "models": ["bert-base", "bert-large", "minilm"], "tasks": ["rte", "cola"], "train_sizes": ["all"],
    "evaluate": {"validation": "all", "test": "all"}, "published_settings": True,
    "training": {"optimizer": "adamax"}, "multi_task": {"training": {"epochs": 5}},
}  # fmt: skip


def test_published_settings_are_those_of_the_code() -> None:
    config = check_config(PAPER)
    settings = training_of(config, "bert-base", "rte")
    assert (settings["eps"], settings["bias_correction"], settings["batches"]) == (1e-6, False, "consecutive")
    assert "importance_epoch" not in settings and settings["order_seed"] == 0 and settings_from(settings).stop is None
    found = {model: importance_epoch(config, model, "rte") for model in config["models"]}
    assert found == {"bert-base": 4, "bert-large": 5, "minilm": None}
    assert importance_epoch(config, "bert-base", "cola") is None
    scored = scored_settings(config, "bert-base", "rte")
    assert scored == settings | {"model_epoch": 4} and settings_from(scored).stop == 4
    multi_task = multi_task_settings(config, "cola+rte", "bert-base")
    assert (multi_task["eps"], multi_task["batches"], multi_task["epochs"]) == (1e-6, "consecutive", 5)
    MultiTaskSettings(**multi_task)
    assert all("order_seed" in task["settings"] for task in task_settings(config, "cola+rte", "bert-base", 1).values())


def test_the_last_epoch_is_scored_unless_another_is_asked_for() -> None:
    usual = training_of(check_config({}), "minilm", "movie")
    asked = check_config({"training": {"model_epoch": "last", "importance_epoch": "last"}})
    assert training_of(asked, "minilm", "movie") == usual and "importance_epoch" not in usual
    assert importance_epoch(asked, "minilm", "movie") is None
    assert scored_settings(asked, "minilm", "movie") == usual
    assert not {"importance_epoch", "model_epoch"} & multi_task_settings(asked, "amazon+movie", "minilm").keys()


def test_the_epochs_of_model_and_importance() -> None:
    def of(**training: Any) -> tuple[Any, Any]:
        config = check_config({"training": {"epochs": 4, **training}})
        own = training_of(config, "minilm", "movie")
        return own["model_epoch"], scored_settings(config, "minilm", "movie")["model_epoch"]

    assert of() == ("last", "last") and of(importance_epoch=2) == ("last", 2)
    assert of(model_epoch="best") == ("best", "best")
    assert of(model_epoch="best", importance_epoch="last") == ("best", "last")
    config = check_config({"training": {"model_epoch": "best"}})
    assert training_of(config, "minilm", "movie")["best_by"] == {"metric": "accuracy", "validation": 100}
    config = check_config({"training": {"model_epoch": "best", "importance_epoch": "last"}})
    assert "best_by" not in scored_settings(config, "minilm", "movie")
    config = check_config({"training": {"epochs": 4, "importance_epoch": 4}})
    assert importance_epoch(config, "minilm", "movie") is None  # the last one


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"model_epoch": 0}}, "training.model_epoch is 0: not an allowed value"),
        ({"training": {"importance_epoch": "first"}}, "training.importance_epoch is 'first': not an allowed value"),
        (
            {"training_overrides": {"movie": {"importance_epoch": 4}}},
            "importance_epoch of minilm/movie is 4: it is trained for 3 epochs; give at most that",
        ),
        ({"training": {"model_epoch": 3}, "search": {"epochs": [2, 5]}}, "model_epoch of minilm/movie is 3: .* 2 ep"),
        ({"training": {"eps": 0}}, "training.eps is 0"),
        ({"training": {"bias_correction": 1}}, "training.bias_correction is 1"),
        ({"training": {"batches": "sorted"}}, "training.batches is 'sorted'"),
        ({"multi_task": {"training": {"model_epoch": "best"}}}, "model_epoch is 'best': only single-task training"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_config(changes)

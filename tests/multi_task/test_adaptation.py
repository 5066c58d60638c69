"""Go on from an encoder that several tasks have trained: tickets and weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from multi_task_runs import DATA, FULL, TICKETS, encoded, run, settings
from safetensors.numpy import load_file
from scipy import stats

from supertickets.encoder.families import architecture_of
from supertickets.encoder.rewind import cut_tensors
from supertickets.encoder.ticket import Shape, Ticket
from supertickets.errors import UserError
from supertickets.multi_task.adaptation_start import start_adaptation
from supertickets.multi_task.adaptation_ticket import draw_adaptation_ticket
from supertickets.tickets.importance_table import write_importance
from supertickets.training.run import train_run

__all__ = ["encoded"]  # a fixture


def held(tmp_path: Path, tiny: Path, how: str, task: str = "new", **more: Any) -> dict[str, Any]:
    """What is written of the ticket with which a task goes on from two others'."""
    content = {name: ticket.as_json() for name, ticket in zip(DATA, TICKETS, strict=True)}
    (tmp_path / "tickets.json").write_text(json.dumps(content))
    draw_adaptation_ticket(
        tmp_path / "tickets.json",
        {"model": "tiny", "task": task, "train_size": 32, "seed": 1, "mode": "super", "ticket": how},
        tiny / "shape.json",
        {"outputs": 2} | more,
        tmp_path / "ticket.json",
    )
    return json.loads((tmp_path / "ticket.json").read_text())


def test_a_task_holds_what_it_is_said_to_hold(tmp_path: Path, tiny: Path) -> None:
    for how, task, expected in (
        ("full", "new", FULL),
        ("union", "new", Ticket(((0, 1, 3), (0, 1, 2, 3), (0, 1, 2, 3)), (0, 1), 4)),
        ("own", "value", TICKETS[1]),
    ):
        content = held(tmp_path, tiny, how, task)
        assert Ticket.of(content, how) == expected
        assert (content["heads_pruned"], content["ffn_pruned"]) == (expected.heads_pruned, expected.ffn_pruned)
        assert content["weight_remaining"] == expected.weight_remaining(Shape.read(tiny / "shape.json", 2))
    with pytest.raises(UserError, match=r"tickets.json: not as it was written: no 'new'; delete it"):
        held(tmp_path, tiny, "own")


@pytest.mark.parametrize("nearest", DATA)
def test_the_nearest_task_is_that_whose_units_matter_alike(tmp_path: Path, tiny: Path, nearest: str) -> None:
    random = np.random.default_rng(3)
    scores = {task: (list(random.random((3, 4)) + 0.1), random.random(3) + 0.1) for task in DATA}
    # Alike but for the size of the scores, which normalizing takes away, and a little noise.
    heads = [7 * row + 0.01 * random.random(4) for row in scores[nearest][0]]
    scores["new"] = (heads, scores[nearest][1] + 1e-3)
    paths = {task: tmp_path / f"{task}.csv" for task in scores}
    for task, path in paths.items():
        write_importance(path, FULL, {"sensitivity": scores["new"], "taylor": scores[task]})
    more = {"method": "taylor", "importance": {task: str(path) for task, path in paths.items()}}
    content = held(tmp_path, tiny, "nearest", **more)
    assert Ticket.of(content, "nearest") == TICKETS[DATA.index(nearest)]
    assert content["origin"]["nearest"] == nearest
    tables = {task: pd.read_csv(path).query("method == 'taylor'")["normalized"] for task, path in paths.items()}
    for task in DATA:
        expected = stats.spearmanr(tables["new"], tables[task]).statistic
        assert content["origin"]["similarity"][task] == pytest.approx(expected)
    write_importance(paths["new"], FULL, {"taylor": (list(np.zeros((3, 4))), np.zeros(3))})
    # A task to which no unit matters is like no other.
    assert set(held(tmp_path, tiny, "nearest", **more)["origin"]["similarity"].values()) == {0.0}


@pytest.mark.parametrize("task", DATA)
def test_a_task_goes_on_where_the_training_on_all_has_ended(
    encoded: Path, tiny: Path, tmp_path: Path, task: str
) -> None:
    kept = dict(zip(DATA, TICKETS, strict=True))
    _, out = run(encoded, tiny, tmp_path / "multi_task", kept)
    (tmp_path / "ticket.json").write_text(json.dumps(kept[task].as_json()))
    start_adaptation(
        out / "model.safetensors", tiny / "config.json", tmp_path / "ticket.json", task, tmp_path / "start.safetensors"
    )
    train_run(
        config=tiny / "config.json", weights=tmp_path / "start.safetensors", encoded=encoded / f"{task}.parquet",
        subset=encoded / f"{task}.json", shape=tiny / "shape.json", ticket=tmp_path / "ticket.json", run={"seed": 5},
        settings=settings(task, epochs=0), record=tmp_path / "record.json", predictions=tmp_path / "alone.parquet",
    )  # fmt: skip
    found, expected = (pd.read_parquet(path) for path in (tmp_path / "alone.parquet", out / "predictions.parquet"))
    expected = expected[expected["task"] == task].drop(columns="task").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)  # untrained it predicts what it did: units and head, bit by bit


def test_a_new_task_has_no_head_yet(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    _, out = run(encoded, tiny, tmp_path / "multi_task", {"sentiment": FULL})
    (tmp_path / "ticket.json").write_text(json.dumps(TICKETS[1].as_json()))
    paths = tiny / "config.json", tmp_path / "ticket.json"
    start_adaptation(out / "model.safetensors", *paths, "new", tmp_path / "start.safetensors")
    found, shared = load_file(tmp_path / "start.safetensors"), load_file(out / "model.safetensors")
    encoder = {name: tensor for name, tensor in shared.items() if "/" not in name}
    assert len(encoder) == len(shared) - 2
    architecture = architecture_of(json.loads((tiny / "config.json").read_text()), "config.json")
    expected = cut_tensors(encoder, TICKETS[1], architecture)
    assert found.keys() == expected.keys() and not any("classifier" in name for name in found)
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor, err_msg=name)
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"broken.safetensors: not a readable safetensors file"):
        start_adaptation(tmp_path / "broken.safetensors", *paths, "new", tmp_path / "none.safetensors")
    assert not (tmp_path / "none.safetensors").exists()

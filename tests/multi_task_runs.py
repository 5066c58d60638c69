"""Two tiny tasks in the form that trainings read, and a training of one encoder on both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import toy, write_tiny_task
from tiny_runs import SETTINGS

from supertickets.data.task import prepare_task
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.ticket import Ticket
from supertickets.encoder.tokenise import tokenise
from supertickets.multi_task.run import train_multi_task

MULTI_TASK = {name: SETTINGS[name] for name in ("batch_size", "epochs", "warmup", "weight_decay", "clip_norm")}
MULTI_TASK |= {name: SETTINGS[name] for name in ("eps", "bias_correction", "batches")}
MULTI_TASK |= {"optimizer": "adamw", "learning_rate": 1e-2, "sampler": "proportional", "temperature": 1.0, "cap": 10}
MULTI_TASK |= {"untouched": "frozen"}
#: Layers in which each task holds other heads, in which one holds all, and blocks of both, one and no task.
TICKETS = [Ticket(((0, 1), (1, 2, 3), (0, 1, 2, 3)), (0, 1), 4), Ticket(((1, 3), (0,), (2,)), (1,), 4)]
FULL = Ticket.full(3, 4)
DATA = ("sentiment", "value")


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """Two tasks: classes of 40 sentences, and values of 23."""
    folder = tmp_path_factory.mktemp("encoded")
    write_tiny_task(folder / "toy.tsv")
    changes: dict[str, Any] = {"columns": {"id": "id", "target": "value", "text": "text"}, "type": "regression"}
    for name, count, more in (("sentiment", 40, {}), ("value", 23, changes)):
        definition = toy(folder / "toy.tsv", **more)
        if more:
            definition.pop("labels")
        prepare_task(definition, folder / "task.parquet")
        tokenise(tiny, folder / "task.parquet", 16, folder / f"{name}.parquet")
        rows = Encoded.read(folder / f"{name}.parquet").first("train", count).tolist()
        (folder / f"{name}.json").write_text(json.dumps({"rows": rows}))
    return folder


def settings(task: str, **changes: Any) -> dict[str, Any]:
    return SETTINGS | {"outputs": 1 if task == "value" else 2} | changes


def run(
    encoded: Path, folder: Path, out: Path, tickets: dict[str, Ticket], seed: int = 1, **changes: Any
) -> tuple[dict[str, Any], Path]:
    """A training from files; of ``changes`` the precision and dropout are the tasks', the rest of all."""
    out.mkdir(exist_ok=True)
    own = {name: changes.pop(name) for name in ("precision", "classifier_dropout") if name in changes}
    (out / "tickets.json").write_text(json.dumps({task: ticket.as_json() for task, ticket in tickets.items()}))
    tasks = {
        task: {
            "encoded": str(encoded / f"{task}.parquet"),
            "subset": str(encoded / f"{task}.json"),
            "settings": settings(task, **own),
        }
        for task in tickets
    }
    train_multi_task(
        config=folder / "config.json", weights=folder / "model.safetensors", shape=folder / "shape.json",
        tickets=out / "tickets.json", tasks=tasks, run={"model": "tiny", "mode": "super", "seed": seed},
        settings=MULTI_TASK | changes, record=out / "record.json", predictions=out / "predictions.parquet",
        trained=out / "model.safetensors",
    )  # fmt: skip
    return json.loads((out / "record.json").read_text()), out

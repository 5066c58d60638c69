"""The tiny task in the form that trainings read, and a training of the tiny model on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import toy, write_tiny_task

from supertickets.data.task import prepare_task
from supertickets.encoder.tokenise import tokenise
from supertickets.engine.device import Compute
from supertickets.training.run import train_run

CPU = Compute(torch.device("cpu"), "fp32")
RUN = ("model", "task", "train_size", "seed", "kind", "ratio", "draw")
SETTINGS = {
    "optimizer": "adamax",
    "learning_rate": 1e-2,
    "batch_size": 8,
    "epochs": 3,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "clip_norm": 1.0,
    "eps": 1e-8,
    "bias_correction": True,
    "batches": "shuffled",
    "model_epoch": "last",
    "classifier_dropout": 0.1,
    "evaluate": {"validation": None, "test": 15},
    "outputs": 2,
    "threads": 1,
    "device": "cpu",
    "precision": "fp32",
}


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    folder = tmp_path_factory.mktemp("encoded")
    write_tiny_task(folder / "toy.tsv")
    prepare_task(toy(folder / "toy.tsv"), folder / "toy.parquet")
    tokenise(tiny, folder / "toy.parquet", 16, folder / "encoded.parquet")
    rows = np.flatnonzero(pd.read_parquet(folder / "toy.parquet")["split"] == "train").tolist()
    (folder / "subset.json").write_text(json.dumps({"rows": rows}))
    return folder


def run(
    encoded: Path, tiny: Path, out: Path, seed: int = 1, keep: bool = True, minutes: float = 0.0, **settings: Any
) -> Path:
    out.mkdir(exist_ok=True)
    train_run(
        config=tiny / "config.json",
        weights=tiny / "model.safetensors",
        encoded=encoded / "encoded.parquet",
        subset=encoded / "subset.json",
        run=dict(zip(RUN, ("tiny", "toy", "all", seed, "full", 0.0, 1), strict=True)),
        settings=SETTINGS | settings,
        record=out / "record.json",
        predictions=out / "predictions.parquet",
        trained=out / "model.safetensors" if keep else None,
        shape=tiny / "shape.json",
        checkpoint_minutes=minutes,
    )
    return out

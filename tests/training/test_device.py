"""Trainings on a GPU, where there is one, compared with the CPU: ``pytest tests/training/test_device.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import PROJECT
from tiny_runs import SETTINGS, encoded, run

from supertickets.jobs.warm import FOLDER

__all__ = ["encoded"]  # the fixture

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
DEVICES = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NO_GPU)])


def outputs(out: Path) -> np.ndarray:
    return np.stack(pd.read_parquet(out / "predictions.parquet")["logits"].tolist())


@DEVICES
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_repeats_its_bytes(encoded: Path, tiny: Path, tmp_path: Path, device: str, precision: str) -> None:
    first, second = (
        run(encoded, tiny, tmp_path / name, device=device, precision=precision) for name in ("first", "second")
    )
    for name in ("predictions.parquet", "model.safetensors"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert json.loads((first / "record.json").read_text())["device"].startswith(device)


@NO_GPU
def test_a_gpu_trains_as_the_cpu_does_but_for_dropout(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "still"
    folder.mkdir()
    config = json.loads((tiny / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("model.safetensors", "shape.json"):
        (folder / name).symlink_to(tiny / name)
    on_cpu, on_gpu = (
        outputs(run(encoded, folder, tmp_path / device, device=device, classifier_dropout=0.0))
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(on_gpu, on_cpu, atol=1e-3)


@DEVICES
def test_a_warm_job_computes_on_the_device(encoded: Path, tiny: Path, tmp_path: Path, device: str) -> None:
    """Twice, so that the second is forked by a server that has served one."""
    code = """
import json, subprocess, sys
from pathlib import Path
from supertickets.jobs.environment import set_environment
set_environment(Path(sys.argv[1]))
for command in json.loads(sys.argv[2]):
    subprocess.run(command, check=True)
"""
    commands = []
    for name in ("first", "second"):
        out = tmp_path / name
        out.mkdir()
        files = {"config": tiny / "config.json", "weights": tiny / "model.safetensors", "shape": tiny / "shape.json"}
        files |= {"encoded": encoded / "encoded.parquet", "subset": encoded / "subset.json"}
        files |= {"record": out / "record.json", "predictions": out / "predictions.parquet"}
        values = {"run": json.dumps({"seed": 1}), "settings": json.dumps(SETTINGS | {"device": device})}
        options = [text for key, value in (files | values).items() for text in (f"--{key}", str(value))]
        commands.append([sys.executable, "-P", "-m", "supertickets", "training.run:train_run", *options])
    environment = {name: value for name, value in os.environ.items() if name != FOLDER}
    environment["PYTHONPATH"] = str(PROJECT / "workflow")
    subprocess.run(
        [sys.executable, "-c", code, str(PROJECT / "workflow"), json.dumps(commands)], env=environment, check=True
    )
    records = [json.loads((tmp_path / name / "record.json").read_text()) for name in ("first", "second")]
    assert all(record["device"].startswith(device) for record in records)
    assert outputs(tmp_path / "first").tolist() == outputs(tmp_path / "second").tolist()

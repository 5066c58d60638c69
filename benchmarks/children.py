"""Trainings in processes of their own, asked for by name."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

from .data import MODEL, ROOT, Task, environment

#: The default's settings, but the batch size of the published ones.
SETTINGS = {
    "optimizer": "adamw",
    "learning_rate": 2e-4,
    "batch_size": 32,
    "epochs": 3,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "clip_norm": 1.0,
    "classifier_dropout": 0.1,
    "evaluate": {},
    "device": "cpu",
    "precision": "auto",
}


def request(task: Task, seed: int, train: int, evaluated: int, **settings: Any) -> dict[str, Any]:
    """What to train: a seed draws the examples, the same for everyone."""
    rows, held_out = task.rows(train, evaluated, seed)
    return {
        "model": str(MODEL),
        "encoded": str(task.encoded),
        "rows": rows.tolist(),
        "evaluated": held_out.tolist(),
        "seed": seed,
        "settings": SETTINGS | {"outputs": task.outputs} | settings,
    }


def start(module: str, asked: dict[str, Any]) -> subprocess.Popen[str]:
    """Start a training; it starts as a process of the workflow does."""
    command = [sys.executable, "-m", f"benchmarks.{module}", json.dumps(asked)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment(), text=True, stdout=pipe, stderr=pipe)


def run(module: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The answer of a training, with the seconds that its process lived.

    Raises:
        RuntimeError: it failed; with its messages.
    """
    began = time.perf_counter()
    child = start(module, asked)
    output, errors = child.communicate()
    if child.returncode != 0:
        raise RuntimeError(f"benchmarks.{module} failed:\n{errors}")
    return json.loads(output.splitlines()[-1]) | {"process": time.perf_counter() - began}


def score(answer: dict[str, Any]) -> float:
    """Percent that a training got right of the held-out examples; of a regression 100 times Pearson's correlation."""
    outputs = np.array(answer["outputs"])
    if outputs.shape[1] == 1:
        return 100 * float(np.corrcoef(outputs[:, 0], answer["labels"])[0, 1])
    return 100 * float(np.mean(outputs.argmax(axis=1) == answer["labels"]))

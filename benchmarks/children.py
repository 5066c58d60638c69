"""Trainings in processes of their own, asked for by name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .data import ROOT, Task, environment
from .machine import PRECISION

#: What all ways to train share where a benchmark does not say otherwise: the batch size is the published one.
SETTINGS: dict[str, Any] = {
    "optimizer": "adamw",
    "learning_rate": 2e-4,
    "batch_size": 32,
    "epochs": 2,
    "warmup": 0.1,
    "weight_decay": 0.01,
    "clip_norm": 1.0,
    "eps": 1e-8,
    "bias_correction": True,
    "batches": "shuffled",
    "model_epoch": "last",
    "classifier_dropout": 0.1,
    "evaluate": {},
    "device": "cpu",
    "precision": PRECISION,
}


def request(task: Task, seed: int, train: int, evaluated: int, **settings: Any) -> dict[str, Any]:
    """What to train: a seed draws the examples, the same for everyone."""
    rows, held_out = task.rows(train, evaluated, seed)
    return {
        "model": str(task.model),
        "encoded": str(task.encoded),
        "rows": rows.tolist(),
        "evaluated": held_out.tolist(),
        "seed": seed,
        "settings": SETTINGS | {"outputs": task.outputs} | settings,
    }


def run(module: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The answer of a training in a process that starts as the workflow's do.

    Raises:
        RuntimeError: it failed; with its messages.
    """
    done = ended(module, json.dumps(asked))
    if done.returncode != 0:
        raise RuntimeError(f"benchmarks.{module} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def ended(module: str, text: str) -> subprocess.CompletedProcess[str]:
    """The process of a module that has read a text, and what it printed."""
    command = [sys.executable, "-m", f"benchmarks.{module}"]
    return subprocess.run(command, cwd=ROOT, env=environment(), text=True, capture_output=True, input=text, check=False)


def job_command(function: str, **arguments: Any) -> list[str]:
    """The command with which a rule calls a function; values that are not strings are written as JSON."""
    texts = {
        key: str(value) if isinstance(value, str | Path) else json.dumps(value) for key, value in arguments.items()
    }
    options = [text for key, value in texts.items() for text in (f"--{key.replace('_', '-')}", value)]
    return [sys.executable, "-P", "-m", "supertickets", function, *options]


def score(answer: dict[str, Any]) -> float:
    """Percent that a training got right of the held-out examples; of a regression 100 times Pearson's correlation."""
    outputs = np.array(answer["outputs"])
    if outputs.shape[1] == 1:
        return 100 * float(np.corrcoef(outputs[:, 0], answer["labels"])[0, 1])
    return 100 * float(np.mean(outputs.argmax(axis=1) == answer["labels"]))

"""What computing in bfloat16 does to scores: the same trainings in both precisions."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from supertickets.engine.device import has_bf16_units

from .children import request, run, score
from .data import MOVIE, Place, Task, sts_b
from .results import interval, write

SEEDS = (1, 2, 3, 4, 5, 6)
EVALUATED = 800
#: With fewer pairs a regression learns in some seeds and not in others, whatever the precision: STS-B's ratings are
#: around 2.7, a task head begins at zero, and most steps of a short training go into the difference.
TRAIN = {"movie": 300, "STS-B": 1500}
SETTINGS: dict[str, dict[str, Any]] = {
    "movie": {"batch_size": 16, "epochs": 3, "threads": 1},
    "STS-B": {"batch_size": 8, "epochs": 3, "threads": 1, "learning_rate": 1e-4},
}


def measure(task: Task, emulate: bool) -> dict[str, list[float]]:
    """Scores of every seed in each precision, two trainings at a time."""
    train, settings = TRAIN[task.name], SETTINGS[task.name]

    def trained(job: tuple[int, str]) -> float:
        asked: dict[str, Any] = request(task, job[0], train, EVALUATED, precision=job[1], **settings)
        return score(run("ours", asked | {"emulate": emulate and job[1] == "bf16"}))

    jobs = [(seed, precision) for seed in SEEDS for precision in ("fp32", "bf16")]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(trained, jobs))
    return {"fp32": found[::2], "bf16": found[1::2]}


def main(place: Place = MOVIE) -> None:
    """Measure, and write ``results/precision``."""
    emulate = not has_bf16_units(torch.device("cpu"))
    glue = os.environ.get("GLUE")
    tasks = place.tasks()
    if glue:
        tasks.append(sts_b(Path(glue), tasks[0].model))
    rows, measured = [], {}
    for task in tasks:
        scores = measured[task.name] = measure(task, emulate)
        rows.append(
            {
                "task": task.name,
                "examples": TRAIN[task.name],
                "score": "Pearson x 100" if task.outputs == 1 else "accuracy, %",
                **{
                    f"{name}: mean (sd over seeds)": f"{np.mean(found):.2f} ({np.std(found, ddof=1):.2f})"
                    for name, found in scores.items()
                },
                "bf16 minus fp32, 95% interval": interval(np.subtract(scores["bf16"], scores["fp32"])),
            }
        )
    how = (
        "This processor has no units for bfloat16, so matrix products were computed in float32 from bfloat16 numbers"
        " and rounded (`rounded.py`), which differs in the order of additions only."
        if emulate
        else "This processor multiplies bfloat16 matrices itself."
    )
    text = (
        f"Full models, scored on {EVALUATED} examples, {len(SEEDS)} seeds; the same training examples, order and"
        f" dropout in both precisions. {how}"
    )
    write(
        "precision",
        "GLUE=folder python -m benchmarks precision",
        text,
        pd.DataFrame(rows),
        {"emulated": emulate, "scores": measured},
    )

"""Training time against transformers' Trainer, and what a ticket's training costs against the full model's."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch

from supertickets.encoder.encoded import Encoded
from supertickets.encoder.rewind import rewind
from supertickets.encoder.ticket import Shape, Ticket
from supertickets.files import write_json
from supertickets.tickets.prune import draw

from . import children
from .children import request, run, score
from .data import MOVIE, Place, Task
from .machine import PRECISION, SUFFIX, gemm_rate
from .results import interval, spread, write

SEEDS = (1, 2, 3, 4, 5)
TRAIN, EVALUATED, THREADS = 256, 400, 2
RATIOS = (0.3, 0.5, 0.7)


def arithmetic(ticket: Ticket, shape: Shape, tokens: int, sentences: int) -> float:
    """Floating-point operations of a training's matrix products, forward and back, attention's own left out.

    Six per weight and row: a product of a matrix with a row costs two, and there are two more of them on the way
    back. Of the last layer only keys and values are computed for every token.
    """
    width = shape.hidden // shape.heads
    total = 0
    for layer, heads in enumerate(ticket.heads):
        block = 2 * shape.hidden * shape.ffn * (layer in ticket.ffn)
        projection = shape.hidden * width * len(heads)
        if layer < shape.layers - 1:
            total += (4 * projection + block) * tokens
        else:
            total += 2 * projection * tokens + (2 * projection + block) * sentences
    return 6.0 * (total + shape.hidden**2 * sentences)


def ticket_of(ratio: float, shape: Shape) -> Ticket:
    """A random ticket, always the same."""
    scores = {"head": np.zeros((shape.layers, shape.heads)), "ffn": np.zeros(shape.layers)}
    return draw("random", ratio, scores, "share", np.random.default_rng(0))


def rewound(folder: Path, ratio: float, shape: Shape, model: Path) -> dict[str, str]:
    """Files of that ticket and its weights, as a request names them."""
    paths = {"ticket": str(folder / f"{ratio}.json"), "weights": str(folder / f"{ratio}.safetensors")}
    write_json(Path(paths["ticket"]), ticket_of(ratio, shape).as_json())
    rewind(model / "model.safetensors", model / "config.json", Path(paths["ticket"]), Path(paths["weights"]))
    return paths


def measure(task: Task, precision: str) -> dict[str, list[dict[str, Any]]]:
    """Every way with every seed, one seed of each after another, so that a slow minute slows all alike."""
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        shape = Shape.read(task.model / "shape.json", task.outputs)
        tickets = {ratio: rewound(Path(folder), ratio, shape, task.model) for ratio in RATIOS}
        for seed in SEEDS:
            asked = request(task, seed, TRAIN, EVALUATED, threads=THREADS)
            answers = {"ours": run("ours", asked)}
            for ratio, paths in tickets.items():
                answers[f"ours, ratio {ratio}"] = run("ours", asked | paths)
            for way in ("tuned", "dynamic", "defaults"):
                own = precision if way == "tuned" else "fp32"
                answers[way] = run("peer", asked | {"way": way, "precision": own})
            for name, answer in answers.items():
                found.setdefault(name, []).append(answer)
    return found


def flops_by_ratio(task: Task) -> dict[float, float]:
    """Floating-point operations of a training of each ratio's ticket, of the full model's at 0 (:func:`arithmetic`)."""
    epochs = children.SETTINGS["epochs"]
    rows, _ = task.rows(TRAIN, EVALUATED, SEEDS[0])
    tokens = int(Encoded.read(task.encoded).lengths[rows].sum()) * epochs
    shape = Shape.read(task.model / "shape.json", task.outputs)
    tickets = {0.0: Ticket.full(shape.layers, shape.heads)} | {ratio: ticket_of(ratio, shape) for ratio in RATIOS}
    return {ratio: arithmetic(ticket, shape, tokens, TRAIN * epochs) for ratio, ticket in tickets.items()}


def table_of(seconds: dict[str, np.ndarray], scores: dict[str, np.ndarray], precision: str) -> pd.DataFrame:
    """Time and accuracy of this project and its peers.

    Args:
        seconds, scores: of the trainings of each way, one for each seed.
        precision: in which this project computes, and the Trainer that is set up like it.
    """
    names = {
        "ours": "this project",
        "tuned": f"Trainer, {precision}, grouped by length, fused AdamW",
        "dynamic": "Trainer, fp32, padded to the longest of the batch",
        "defaults": "Trainer as run_glue.py by default, fp32, padded to 128",
    }
    return pd.DataFrame(
        [
            {
                "training": name,
                "seconds": spread(seconds[way]),
                "times ours": spread(seconds[way] / seconds["ours"]),
                "accuracy, %": f"{scores[way].mean():.1f}",
                "accuracy minus ours, 95% interval": interval(scores[way] - scores["ours"]) if way != "ours" else "",
            }
            for way, name in names.items()
        ]
    )


def main(place: Place = MOVIE) -> None:
    """Measure, and write ``results/training``."""
    (task,) = place.tasks()
    precision = PRECISION
    rates = {name: gemm_rate(dtype, THREADS) for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))}
    found = measure(task, precision)
    if len({answer["steps"] for answers in found.values() for answer in answers}) != 1:
        raise RuntimeError("the trainings did not make the same number of steps")
    seconds = {name: np.array([answer["train"] for answer in answers]) for name, answers in found.items()}
    scores = {name: np.array([score(answer) for answer in answers]) for name, answers in found.items()}
    flops = flops_by_ratio(task)
    full = flops[0.0]
    speed = full / median(seconds["ours"])
    left = {ratio: flops[ratio] / full for ratio in RATIOS}
    cost = {ratio: seconds[f"ours, ratio {ratio}"] / seconds["ours"] for ratio in RATIOS}
    tickets = "; ".join(f"ratio {ratio}: {spread(cost[ratio])} of the time for {left[ratio]:.3f}" for ratio in RATIOS)
    epochs, batch = children.SETTINGS["epochs"], children.SETTINGS["batch_size"]
    fp32, bf16 = (rate / 1e9 for rate in rates.values())
    text = (
        f"{place.model} on {TRAIN} sentences of `{task.name}`, {epochs} epochs, batch size {batch}, {THREADS} threads,"
        f" {len(SEEDS)} seeds: median (range) of the training alone, start-up left out. Accuracy on {EVALUATED} other"
        f" sentences.\n\nMatrix products here: fp32 {fp32:.0f} GFLOP/s, bf16 {bf16:.0f}. This project computes in"
        f" {precision} and does {full / 1e9:.0f} GFLOP of products in a training, at {speed / 1e9:.0f} GFLOP/s:"
        f" {speed / rates[precision]:.0%} of that rate.\n\nRandom tickets: {tickets} of the arithmetic."
    )
    measured = {
        "gemm_flops": rates, "precision": precision, "flops": full, "share_of_gemm": speed / rates[precision],
        "arithmetic_left": left, "seconds": {name: list(times) for name, times in seconds.items()},
        "accuracy": {name: list(values) for name, values in scores.items()},
    }  # fmt: skip
    write(f"training{SUFFIX}", "python -m benchmarks training", text, table_of(seconds, scores, precision), measured)

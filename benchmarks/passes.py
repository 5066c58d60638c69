"""What importance and evaluation cost, in epochs of training."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import torch

from supertickets.encoder.batches import sorted_batches
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import read_model
from supertickets.encoder.narrow import narrowed
from supertickets.experiment.settings import SCORES
from supertickets.tickets.importance import method_of
from supertickets.tickets.sample import Sample
from supertickets.training.loop import train
from supertickets.training.predict import predict
from supertickets.training.settings import settings_from

from .children import request, run
from .data import MOVIE, Place, Task
from .machine import SUFFIX
from .results import spread, write

REPEATS, TRAIN, EVALUATED = 5, 256, 500
SETTINGS = {"batch_size": 8, "epochs": 1, "threads": 1}


def measure(task: Task) -> tuple[str, dict[str, list[float]]]:
    """Seconds of one epoch, of all importance scores of the same examples, and of predicting others, both ways.

    Args:
        task: whose full model is trained.

    Returns:
        The precision in which all is computed, and the seconds of each repeat.
    """
    asked = request(task, 1, TRAIN, EVALUATED, **SETTINGS)
    how = settings_from(asked["settings"])
    compute = how.start()
    data = Encoded.read(task.encoded)
    rows, evaluated = np.array(asked["rows"]), np.array(asked["evaluated"])
    batches = sorted_batches(rows, data.lengths[rows], how.batch_size)
    peer = request(task, 1, 8, EVALUATED, **SETTINGS) | {"way": "tuned", "precision": compute.precision}
    seconds: dict[str, list[float]] = {"epoch": [], "importance": [], "predict": [], "trainer": []}
    for _ in range(REPEATS):
        head = torch.Generator().manual_seed(1)
        config, weights = task.model / "config.json", task.model / "model.safetensors"
        model = read_model(config, weights, None, how.outputs, 0.1, head)
        with narrowed(model, data, rows, compute) as view:
            seconds["epoch"].append(train(model, view, rows, how, 1).seconds)
        began = time.perf_counter()
        sample = Sample(model, data, batches, compute, np.random.default_rng(0))
        for name in SCORES:
            method_of(name)(sample)
        seconds["importance"].append(time.perf_counter() - began)
        with narrowed(model, data, evaluated, compute) as view:
            began = time.perf_counter()
            predict(model, view, evaluated)
            seconds["predict"].append(time.perf_counter() - began)
        seconds["trainer"].append(run("peer", peer)["predict"])
    return compute.precision, seconds


def main(place: Place = MOVIE) -> None:
    """Measure, and write ``results/passes``."""
    (task,) = place.tasks()
    precision, seconds = measure(task)
    names = {
        "epoch": f"one epoch of training, {TRAIN} sentences",
        "importance": f"all importance scores of the same ({', '.join(SCORES)})",
        "predict": f"predicting {EVALUATED} sentences",
        "trainer": "the same by the Trainer, batches of 64 sorted by length",
    }
    table = pd.DataFrame([{"what": what, "seconds": spread(seconds[name])} for name, what in names.items()])
    share = spread(np.divide(seconds["importance"], seconds["epoch"]))
    times = spread(np.divide(seconds["trainer"], seconds["predict"]))
    text = (
        f"The full model in {precision}, batch size {SETTINGS['batch_size']}, one thread, {REPEATS} repeats. Importance"
        f" costs {share} of an epoch. The Trainer takes {times} times as long to predict."
    )
    measured = {"seconds": seconds, "precision": precision}
    write(f"passes{SUFFIX}", "python -m benchmarks passes", text, table, measured)

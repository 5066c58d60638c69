"""What importance, evaluation and torch's own dropout cost, in epochs of training."""

from __future__ import annotations

import time
from unittest import mock

import numpy as np
import pandas as pd
import torch
from torch import nn

from supertickets.encoder.batches import sorted_batches
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import Classifier, read_model
from supertickets.encoder.narrow import narrowed
from supertickets.engine import attention, dropout
from supertickets.engine.device import Compute
from supertickets.experiment.settings import SCORES
from supertickets.tickets.importance import method_of
from supertickets.tickets.sample import Sample
from supertickets.training.loop import train
from supertickets.training.predict import predict
from supertickets.training.settings import Settings, settings_from

from .children import request, run
from .data import MOVIE, Place, Task
from .machine import SUFFIX
from .results import spread, write

REPEATS, TRAIN, EVALUATED = 5, 256, 500
SETTINGS = {"batch_size": 8, "epochs": 1, "threads": 1}


def epoch(task: Task, data: Encoded, rows: np.ndarray, how: Settings, compute: Compute) -> tuple[Classifier, float]:
    """A full model that is trained for an epoch, and the seconds of that."""
    head = torch.Generator().manual_seed(1)
    model = read_model(task.model / "config.json", task.model / "model.safetensors", None, how.outputs, 0.1, head)
    with narrowed(model, data, rows, compute) as view:
        return model, train(model, view, rows, how, 1).seconds


def measure(task: Task) -> tuple[str, dict[str, list[float]]]:
    """Seconds of an epoch, also with torch's dropout, of all importance scores, and of predicting others, both ways.

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
    seconds: dict[str, list[float]] = {"epoch": [], "torch_dropout": [], "importance": [], "predict": [], "trainer": []}
    epoch(task, data, rows, how, compute)  # the first is slower, and does not count
    for _ in range(REPEATS):
        torchs = nn.functional.dropout
        with mock.patch.object(attention, "dropout", torchs), mock.patch.object(dropout, "dropout", torchs):
            seconds["torch_dropout"].append(epoch(task, data, rows, how, compute)[1])
        model, spent = epoch(task, data, rows, how, compute)
        seconds["epoch"].append(spent)
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
        "torch_dropout": "the same with masks of torch's dropout",
        "importance": f"all importance scores of the same sentences ({', '.join(SCORES)})",
        "predict": f"predicting {EVALUATED} sentences",
        "trainer": "the same by the Trainer, batches of 64 sorted by length",
    }
    table = pd.DataFrame([{"what": what, "seconds": spread(seconds[name])} for name, what in names.items()])
    masks = spread(np.divide(seconds["torch_dropout"], seconds["epoch"]))
    share = spread(np.divide(seconds["importance"], seconds["epoch"]))
    times = spread(np.divide(seconds["trainer"], seconds["predict"]))
    text = (
        f"The full model in {precision}, batch size {SETTINGS['batch_size']}, one thread, {REPEATS} repeats. Importance"
        f" costs {share} of an epoch. With torch's dropout an epoch takes {masks} times as long. The Trainer"
        f" takes {times} times as long to predict."
    )
    measured = {"seconds": seconds, "precision": precision}
    write(f"passes{SUFFIX}", "python -m benchmarks passes", text, table, measured)

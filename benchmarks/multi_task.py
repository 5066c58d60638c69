"""Multi-task training through tickets: units that are cut, against heads that are multiplied by zero, as published."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from supertickets.encoder.encoded import Encoded
from supertickets.encoder.ticket import Shape, Ticket
from supertickets.tickets.prune import draw

from .children import SETTINGS, request, run
from .data import ROOT, Place, Task
from .machine import SUFFIX
from .multi_task_training import with_all_heads
from .results import spread, write
from .training import arithmetic

#: Three of the default's tasks with its encoder.
TASKS = Place(ROOT, "minilm", ("movie", "amazon", "tweets"))
SEEDS = (1, 2, 3, 4, 5)
TRAIN, THREADS = 128, 2
RATIOS = (0.1, 0.3, 0.5, 0.7)
MULTI_TASK = {name: SETTINGS[name] for name in ("optimizer", "learning_rate", "batch_size", "epochs", "warmup")}
MULTI_TASK |= {name: SETTINGS[name] for name in ("weight_decay", "clip_norm", "eps", "bias_correction", "batches")}
MULTI_TASK |= {"sampler": "proportional", "temperature": 1.0, "cap": 1}
#: What each way does with units that a task lacks: how its models are made, and how they are updated.
WAYS = {
    "cut, frozen": {"way": "cut", "untouched": "frozen"},
    "cut, zero gradient": {"way": "cut", "untouched": "zero_gradient"},
    "published": {"way": "zeros", "untouched": "zero_gradient"},
}


def tickets_of(ratio: float, shape: Shape, count: int) -> list[Ticket]:
    """Random tickets, another one for each task and always the same."""
    scores = {"head": np.zeros((shape.layers, shape.heads)), "ffn": np.zeros(shape.layers)}
    return [draw("random", ratio, scores, "share", np.random.default_rng(task)) for task in range(count)]


def asked_for(tasks: list[Task], tickets: list[Ticket], seed: int, way: dict[str, str]) -> dict[str, Any]:
    """A request for a multi-task training in some way."""
    single = [request(task, seed, TRAIN, 1, threads=THREADS) for task in tasks]
    settings = {key: value for key, value in single[0]["settings"].items() if key != "outputs"}
    members = [
        {"encoded": one["encoded"], "rows": one["rows"], "outputs": task.outputs, "ticket": ticket.as_json()}
        for one, task, ticket in zip(single, tasks, tickets, strict=True)
    ]
    joint = MULTI_TASK | {"untouched": way["untouched"]}
    return {
        "model": str(tasks[0].model),
        "tasks": members,
        "settings": settings,
        "multi_task": joint,
        "seed": seed,
        **way,
    }


def measure(tasks: list[Task], shape: Shape) -> dict[tuple[float, str], list[float]]:
    """Seconds of every ratio and way, all of a seed after another, so that a slow minute slows all alike."""
    found: dict[tuple[float, str], list[float]] = {}
    full = [Ticket.full(shape.layers, shape.heads)] * len(tasks)
    steps = set()
    for seed in SEEDS:
        jobs = {(0.0, "no tickets"): asked_for(tasks, full, seed, WAYS["cut, frozen"])}
        for ratio in RATIOS:
            tickets = tickets_of(ratio, shape, len(tasks))
            jobs |= {(ratio, name): asked_for(tasks, tickets, seed, way) for name, way in WAYS.items()}
        for key, job in jobs.items():
            answer = run("multi_task_training", job)
            found.setdefault(key, []).append(answer["train"])
            steps.add(str(answer["steps"]))
    if len(steps) != 1:
        raise RuntimeError(f"the trainings did not make the same steps: {steps}")
    return found


def main(place: Place = TASKS) -> None:
    """Measure, and write ``results/multi_task``."""
    tasks = place.tasks()
    shape = Shape.read(tasks[0].model / "shape.json", 2)
    found = {key: np.array(seconds) for key, seconds in measure(tasks, shape).items()}
    tokens = [int(Encoded.read(task.encoded).lengths[task.rows(TRAIN, 1, SEEDS[0])[0]].sum()) for task in tasks]

    def operations(tickets: list[Ticket]) -> float:
        return sum(arithmetic(ticket, shape, count, TRAIN) for ticket, count in zip(tickets, tokens, strict=True))

    full = operations([Ticket.full(shape.layers, shape.heads)] * len(tasks))
    plain = found[0.0, "no tickets"]
    table = [{"ratio": 0.0, "way": "no tickets", "seconds": spread(plain), "of no tickets": "1", "arithmetic": "100%"}]
    for (ratio, way), seconds in found.items():
        if ratio > 0:
            tickets = tickets_of(ratio, shape, len(tasks))
            left = operations(list(map(with_all_heads, tickets)) if way == "published" else tickets) / full
            row = {"ratio": ratio, "way": way, "seconds": spread(seconds), "of no tickets": spread(seconds / plain)}
            row |= {"arithmetic": f"{left:.0%}", "published takes": spread(found[ratio, "published"] / seconds)}
            table.append(row)
    alike, fastest = (
        median(found[RATIOS[1], "published"] / found[RATIOS[1], way]) for way in ("cut, zero gradient", "cut, frozen")
    )
    text = (
        f"{place.model} trained on {', '.join(task.name for task in tasks)} together, {TRAIN} sentences each,"
        f" {SETTINGS['epochs']} epochs, batch size {SETTINGS['batch_size']}, {THREADS} threads, {len(SEEDS)} seeds:"
        " median (range) of the training alone. Each task has a random ticket of its own. Cut: a step computes and"
        " differentiates what its task holds; with `untouched: frozen` it updates that alone, with `zero_gradient` all."
        " Published: all heads are computed, those that the task lacks are multiplied by zero, blocks that it lacks are"
        f" skipped, and all is updated; the same code otherwise.\n\nAt ratio {RATIOS[1]} that takes {alike:.2f} times"
        f" as long as with `zero_gradient`, which updates the same, and {fastest:.2f} times as long as with `frozen`."
    )
    measured = {f"{ratio} {way}": list(seconds) for (ratio, way), seconds in found.items()}
    write(f"multi_task{SUFFIX}", "python -m benchmarks multi_task", text, pd.DataFrame(table).fillna(""), measured)

"""What a training asks of a machine: memory and time, from the size of its model and of its data.

Rough, and too much rather than too little: a cluster kills jobs that need more. Compared with an AMD EPYC with
all-MiniLM-L6-v2; the rate of a GPU is a guess.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from supertickets.experiment.grid import Size, ratios_of
from supertickets.experiment.multi_task import of_single, shared_tasks
from supertickets.experiment.paths import ENCODER, RESULTS, tasks_of
from supertickets.experiment.settings import limits_of, training_of
from supertickets.experiment.task_sizes import known_sizes

Config = Mapping[str, Any]

#: Tokens of a typical example; where longer ones are let through, half of what they may have.
TYPICAL = 64
#: Memory of a process that has imported torch, with that of the server which it was forked from: Slurm counts what they
#: share twice. And of one that computes on CUDA. In MB.
PROCESS, CUDA = 1600, 2500
#: Copies of the weights in memory: weights, gradients, two moments, the file.
COPIES = 6
#: Activations of a token, in sizes of the weights; and its attention to each other one, of 72 heads in 90 MB. The
#: default's training in batches of 32 sequences of 512 tokens took 7.3 GB, and is reckoned at 9.0.
ACTIVATIONS, ATTENTION = 1.5e-3, 6e-6
#: Memory of an encoded example, in MB.
EXAMPLE = 2e-3
#: Floating point operations a second: of a CPU thread, and of a GPU.
CPU_RATE, GPU_RATE = 2e10, 2e13
#: Minutes for starting, reading and writing: of a training, and of anything else.
START, SHORT = 5, 1
#: Examples a minute that are read and written in another form, and predictions a minute that are compared.
TABLE_RATE, COMPARED_RATE = 1e5, 5e5


def grown(attempt: int, demand: int) -> int:
    """Half more with every attempt: many are repeated because they were cancelled, and those continue.

    Args:
        attempt: its number, from 1.
        demand: what the first asks for.
    """
    return math.ceil(demand * (1 + attempt) / 2)


def memory_mb(weights_mb: float, examples: int, batch_size: int, max_length: int, cuda: bool) -> int:
    """Resident memory of a training, in MB.

    Args:
        weights_mb: size of the encoder's weights in float32, in MB.
        examples: all of its tasks, to train on and to predict.
        batch_size: examples per step.
        max_length: longest sequence, in tokens.
        cuda: whether a CUDA device may compute, and hold the activations.
    """
    of_a_token = ACTIVATIONS + ATTENTION * max_length
    activations = CUDA if cuda else weights_mb * of_a_token * batch_size * max_length
    return math.ceil(PROCESS + activations + weights_mb * COPIES + EXAMPLE * examples)


def minutes(weights_mb: float, passes: float, max_length: int, threads: int, cuda: bool) -> int:
    """Time of a training, in minutes.

    Args:
        weights_mb: size of the encoder's weights in float32, in MB.
        passes: examples that go forward; one that is trained on counts three times, for it goes back as well.
        max_length: longest sequence, in tokens.
        threads: of a CPU.
        cuda: whether a CUDA device computes.
    """
    operations = 2 * (weights_mb * 1e6 / 4) * passes * min(max_length, max(TYPICAL, max_length / 2))
    return START + math.ceil(operations / (GPU_RATE if cuda else CPU_RATE * threads) / 60)


def copying_mb(weights_mb: float) -> int:
    """Memory of a job that copies an encoder's weights, in MB; argument as of :func:`memory_mb`."""
    return math.ceil(PROCESS + 4 * weights_mb)


def table_mb(examples: int) -> int:
    """Memory of a job that reads a task's examples and writes them in another form, in MB."""
    return math.ceil(PROCESS + 4 * EXAMPLE * examples)


def table_minutes(examples: int) -> int:
    """Time of such a job, in minutes."""
    return SHORT + math.ceil(examples / TABLE_RATE)


def most_ratios(config: Config) -> int:
    """The most pruning ratios that a model of an experiment has."""
    return max(len(ratios_of(config["ratios"], model)) for model in config["models"])


def judging_minutes(predictions: int) -> int:
    """Time of a job that scores or compares runs, in minutes.

    Args:
        predictions: of all these runs together.
    """
    return SHORT + math.ceil(predictions / COMPARED_RATE)


#: Copies of the weights that a model which is measured takes: its own, its file's and those of what reads it.
MEASURED_COPIES = 3
#: Rounds before those that are counted.
WARM_UP = 2


def measured_mb(config: Config, weights_mb: float, *rivals: float) -> list[float]:
    """Sizes of the models whose latency is measured: the full model, the tickets of all ratios, and rivals.

    Args:
        config: of the experiment.
        weights_mb: of the encoder's weights in float32, in MB.
        rivals: size of the weights of each rival, in MB.
    """
    return [weights_mb] * (1 + most_ratios(config)) + [*rivals]


def measuring_mb(config: Config, weights_mb: Sequence[float], cuda: bool) -> int:
    """Memory of a job that measures latency, which holds all models, in MB.

    Args:
        config: of the experiment.
        weights_mb: as of :func:`measured_mb`.
        cuda: whether a CUDA device may compute.
    """
    asked = config["latency"]
    tokens = max(asked["batch_sizes"]) * max(asked["lengths"])
    activations = max(weights_mb) * tokens * (ACTIVATIONS + ATTENTION * max(asked["lengths"])) / 4  # none is kept
    return math.ceil(PROCESS + CUDA * cuda + MEASURED_COPIES * sum(weights_mb) + activations)


def measuring_minutes(config: Config, weights_mb: Sequence[float]) -> int:
    """Time of a job that measures latency, in minutes: more threads count as no faster than one."""
    models, asked = len(weights_mb), config["latency"]
    tokens = sum(asked["batch_sizes"]) * sum(asked["lengths"]) * (asked["rounds"] + WARM_UP)
    operations = 2 * (sum(weights_mb) * 1e6 / 4) * tokens * 2 * len(asked["backends"])
    return START * (1 + models * (asked["backends"] != ["torch"])) + math.ceil(operations / CPU_RATE / 60)


#: Examples of a part whose number only its file tells, and MB of a base encoder's weights and a large one's.
UNKNOWN_EXAMPLES = 100_000
UNKNOWN_WEIGHTS = {"base": 440, "large": 1340}


def weights_mb(config: Config, model: str) -> float:
    """Size of an encoder's float32 weights in MB, from its files where they exist."""
    entry = config["define"]["models"][model]
    folders = [f"{RESULTS}/{ENCODER}".format(model=model), *([entry["path"]] if "path" in entry else [])]
    sizes = (sum(path.stat().st_size for path in Path(folder).glob("model*.safetensors")) for folder in folders)
    found = next(filter(None, sizes), 0)
    return found / 1e6 if found else UNKNOWN_WEIGHTS[entry.get("size", "base")]


def examples_of(config: Config, task: str) -> dict[str, int]:
    """Number of examples of each part of a task, or the most that it can be."""
    known = known_sizes(config, config["define"]["tasks"][task]) or {}
    return {part: known.get(part, UNKNOWN_EXAMPLES) for part in ("train", "validation", "test")}


def trained_examples(examples: Mapping[str, int], size: int | float | str) -> float:
    """Examples that a task is trained on, from those of its parts."""
    most = examples["train"]
    return most if size == "all" else min(size, most) if isinstance(size, int) else float(size) * most


def predicted_examples(config: Config, task: str, examples: Mapping[str, int]) -> int:
    """Examples of a task that are predicted after a training, from those of its parts."""
    limits = limits_of(config, task)
    return sum(examples[part] if limit is None else min(limit, examples[part]) for part, limit in limits.items())


def largest_settings(
    config: Config, model: str, tasks: Sequence[str] | None, size: Size | None = None
) -> dict[str, int]:
    """The most ``epochs`` and the largest ``batch_size`` that a training may have.

    Args:
        config: of the experiment.
        model: the encoder.
        tasks: what it is trained on alone; None for multi-task training.
        size: number of training examples, or a share of them; None for the main one.
    """
    settings = [training_of(config, model, task, size) for task in tasks or shared_tasks(config)]
    settings += [] if tasks else [{**config["training"], **config["multi_task"]["training"]}]
    choices = {key: config["search"][key] for key in ("epochs", "batch_size")}
    return {key: max([*values, *(one[key] for one in settings)]) for key, values in choices.items()}


def training_demand(
    config: Config, names: Mapping[str, str], size: Size, counted: Callable[[str], Mapping[str, int]]
) -> tuple[dict[str, int], list[tuple[float, int]]]:
    """The :func:`largest_settings` of a training, and by task the numbers of examples trained on and predicted.

    Args:
        config: of the experiment.
        names: of the training: ``model``, and ``task`` or, of multi-task training, ``shared``.
        size: number of training examples, or a share of them.
        counted: gives the :func:`examples_of` a task.
    """
    if "task" in names:
        tasks, alone = [names["task"]], True
    else:
        tasks, alone = tasks_of(names["shared"]), of_single(config, names["shared"])
    parts = {task: counted(task) for task in tasks}
    counts = [(trained_examples(part, size), predicted_examples(config, task, part)) for task, part in parts.items()]
    return largest_settings(config, names["model"], tasks if alone else None, size), counts

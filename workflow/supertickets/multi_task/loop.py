"""Multi-task training: one encoder, each step on one task's batch and through that task's ticket.

Source: Liang et al., ACL 2021, section on tickets sharing; without tickets it is MT-DNN (Liu et al., ACL 2019).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain

import numpy as np
from torch import Tensor

from supertickets.encoder.batches import batch_of, epochs_of
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.precision import computing
from supertickets.engine.device import Compute
from supertickets.engine.dropout import seed_dropout
from supertickets.multi_task.shared_encoder import SharedEncoder
from supertickets.seeds import derived, generator
from supertickets.training.checkpoints import Checkpoints
from supertickets.training.loop import Progress, Turn, backward, take_steps
from supertickets.training.settings import Steps


@dataclass(frozen=True)
class MultiTaskSettings(Steps):
    """Settings of a multi-task training; an epoch has as many steps as all tasks have batches.

    Attributes:
        sampler: how a step's task is drawn: ``proportional`` (every example of every task once an epoch), or with
            replacement by ``temperature`` (with the odds of sizes to the power of 1 / temperature), ``uniform`` or
            ``capped`` (with the odds of sizes, none above ``cap``).
        temperature, cap: of those samplers.
        untouched: see :class:`~supertickets.multi_task.shared_encoder.SharedEncoder`.
    """

    sampler: str
    temperature: float
    cap: int
    untouched: str


def odds(sizes: Sequence[int], settings: MultiTaskSettings) -> np.ndarray:
    """Probability of each task under a sampler that draws with replacement.

    Args:
        sizes: training examples of each task.
        settings: sampler, temperature and cap.
    """
    weights = {
        "temperature": np.array(sizes, dtype=float) ** (1 / settings.temperature),
        "uniform": np.ones(len(sizes)),
        "capped": np.minimum(sizes, settings.cap),
    }[settings.sampler]
    return weights / weights.sum()


def schedule(
    rows: Sequence[np.ndarray],
    settings: MultiTaskSettings,
    seed: int,
    places: Sequence[np.ndarray | None] | None = None,
) -> Iterator[list[Turn]]:
    """The turns of each epoch, without end.

    A task's batches come in the order in which it would be trained by itself.

    Args:
        rows: training examples of each task.
        settings: sampler and batch size.
        seed: of the run.
        places: of each task, as of :func:`~supertickets.encoder.batches.epochs_of`; None for none.
    """
    mixing = generator(seed, "order of tasks")
    counts = list(map(settings.count, rows))
    batches = [
        chain.from_iterable(
            epochs_of(members, settings.batch_size, generator(seed, "order of training data"), own_places)
        )
        for members, own_places in zip(rows, places or [None] * len(rows), strict=True)
    ]
    while True:
        if settings.sampler == "proportional":
            drawn = mixing.permutation(np.repeat(np.arange(len(rows)), counts))
        else:
            chances = odds([len(members) for members in rows], settings)
            drawn = mixing.choice(len(rows), size=sum(counts), p=chances)
        yield [(int(task), next(batches[task])) for task in drawn]


def train_tasks(
    encoder: SharedEncoder,
    data: Sequence[Encoded],
    rows: Sequence[np.ndarray],
    pad: int,
    compute: Compute,
    settings: MultiTaskSettings,
    seed: int,
    checkpoints: Checkpoints | None = None,
    places: Sequence[np.ndarray | None] | None = None,
) -> Progress:
    """Train the models of all tasks in place, step by step in turns.

    Args:
        encoder: the weights that they share, and their heads.
        data: each task's examples, with token ids that fit the encoder.
        rows: the training examples among them.
        pad: the padding token's id.
        compute: where and how precisely.
        settings: of the training.
        seed: source of the order of tasks and data and of dropout.
        checkpoints: as of :func:`~supertickets.training.loop.take_steps`, which says what is raised.
        places: as of :func:`schedule`.
    """
    seed_dropout(derived(seed, "dropout"))

    def step(task: int, batch: np.ndarray, rate: float) -> Tensor:
        encoder.fill(task)
        loss = backward(encoder.models[task], batch_of(data[task], batch, pad, compute))
        encoder.step(task, rate, settings.clip_norm)
        return loss * len(batch)

    with ExitStack() as stack:
        for task, model in enumerate(encoder.models):
            encoder.fill(task)
            stack.enter_context(computing(model.train(), compute.precision))
        counts, turns = list(map(settings.count, rows)), schedule(rows, settings, seed, places)
        return take_steps(encoder, step, turns, counts, settings, compute.device, checkpoints)

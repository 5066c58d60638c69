"""Train one encoder on several tasks at once, each step on one task's batch and through that task's ticket.

Source: Liang et al., ACL 2021, section on tickets sharing; without tickets it is MT-DNN (Liu et al., ACL 2019).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field

import numpy as np
import torch

from supertickets.encoder.batches import batch_of, training_batches
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.precision import computing
from supertickets.engine.device import Compute
from supertickets.engine.dropout import seed_dropout
from supertickets.engine.optimizer import learning_rate
from supertickets.errors import DivergedError
from supertickets.multi_task.shared_encoder import SharedEncoder
from supertickets.seeds import derived, generator
from supertickets.training.checkpoints import Checkpoints
from supertickets.training.loop import PROGRESS_LINES, losses_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Joint:
    """How an encoder is trained on several tasks.

    Attributes:
        sampler: how a step's task is drawn: ``proportional`` (every example of every task once an epoch), or with
            replacement by ``temperature`` (with the odds of sizes to the power of 1 / temperature), ``uniform`` or
            ``capped`` (with the odds of sizes, none above ``cap``).
        temperature, cap: of those samplers.
        untouched: see :class:`~supertickets.multi_task.shared_encoder.SharedEncoder`.
        optimizer, learning_rate, batch_size, epochs, warmup, weight_decay, clip_norm: as of
            :class:`~supertickets.training.loop.Settings`; an epoch has as many steps as all tasks have batches.
    """

    sampler: str
    temperature: float
    cap: int
    untouched: str
    optimizer: str
    learning_rate: float
    batch_size: int
    epochs: int
    warmup: float
    weight_decay: float
    clip_norm: float


@dataclass
class JointProgress:
    """What a training did: steps in all, and steps and mean loss of each epoch, by task."""

    steps: int = 0
    seconds: float = 0.0
    turns: list[list[int]] = field(default_factory=list)
    losses: list[list[float | None]] = field(default_factory=list)
    decay: float = 1.0  #: factor by which weight decay has shrunk every decayed matrix


def odds(sizes: Sequence[int], how: Joint) -> np.ndarray:
    """Probability of each task under a sampler that draws with replacement.

    Args:
        sizes: training examples of each task.
        how: sampler, temperature and cap.
    """
    weights = {
        "temperature": np.array(sizes, dtype=float) ** (1 / how.temperature),
        "uniform": np.ones(len(sizes)),
        "capped": np.minimum(sizes, how.cap),
    }[how.sampler]
    return weights / weights.sum()


def schedule(rows: Sequence[np.ndarray], how: Joint, seed: int) -> Iterator[list[tuple[int, np.ndarray]]]:
    """The steps of each epoch, without end: a task's number and the rows of its batch.

    A task's batches come in the order in which it would be trained by itself.

    Args:
        rows: training examples of each task.
        how: sampler and batch size.
        seed: of the run.
    """
    mixing = generator(seed, "order of tasks")
    orders = [generator(seed, "order of training data") for _ in rows]
    counts = [math.ceil(len(members) / how.batch_size) for members in rows]

    def endless(task: int) -> Iterator[np.ndarray]:
        while True:
            yield from training_batches(rows[task], how.batch_size, orders[task])

    batches = [endless(task) for task in range(len(rows))]
    while True:
        if how.sampler == "proportional":
            drawn = mixing.permutation(np.repeat(np.arange(len(rows)), counts))
        else:
            chances = odds([len(members) for members in rows], how)
            drawn = mixing.choice(len(rows), size=sum(counts), p=chances)
        yield [(int(task), next(batches[task])) for task in drawn]


def train_tasks(
    encoder: SharedEncoder,
    data: Sequence[Encoded],
    rows: Sequence[np.ndarray],
    pad: int,
    compute: Compute,
    how: Joint,
    seed: int,
    checkpoints: Checkpoints | None = None,
) -> JointProgress:
    """Train the models of several tasks in place, step by step in turns.

    Args:
        encoder: the weights that they share, and their heads.
        data: each task's examples, with token ids that fit the encoder.
        rows: the training examples among them.
        pad: the padding token's id.
        compute: where and how precisely.
        how: settings.
        seed: source of the order of tasks and data and of dropout.
        checkpoints: where training goes on from, and when its state is written.

    Raises:
        DivergedError: a loss is not finite; says at which step and what helps.
        InterruptedRunError: a signal has asked the process to end; a checkpoint is written.
    """
    seed_dropout(derived(seed, "dropout"))
    steps = how.epochs * sum(math.ceil(len(members) / how.batch_size) for members in rows)
    report_every = max(steps // PROGRESS_LINES, 1)
    progress, totals = JointProgress(), torch.zeros(len(rows), dtype=torch.float64, device=compute.device)
    with ExitStack() as stack:
        if checkpoints:
            checkpoints.watch()
            if found := checkpoints.restore(encoder, compute.device):
                progress, totals = JointProgress(**found[0]), found[1]
        began = time.perf_counter() - progress.seconds
        for task, model in enumerate(encoder.models):
            encoder.fill(task)
            stack.enter_context(computing(model.train(), compute.precision))
        for epoch, turns in zip(range(how.epochs), schedule(rows, how, seed), strict=False):
            if epoch < len(progress.losses):
                continue
            for task, members in turns[progress.steps - epoch * len(turns) :]:
                encoder.fill(task)
                batch = batch_of(data[task], members, pad, compute)
                loss = losses_of(encoder.models[task](batch), batch.labels).mean()
                loss.backward()
                rate = learning_rate(progress.steps, steps, how.warmup, how.learning_rate)
                encoder.step(task, rate, how.clip_norm)
                progress.decay *= 1 - rate * how.weight_decay
                totals[task] += loss.detach() * len(members)
                progress.steps += 1
                progress.seconds = time.perf_counter() - began
                if progress.steps % report_every == 0:
                    pace = progress.seconds / progress.steps
                    log.info(
                        "step %d of %d: loss %.4f, %.2f s a step", progress.steps, steps, float(loss.detach()), pace
                    )
                if checkpoints:
                    checkpoints.after_step(encoder, asdict(progress), totals)
            _record(progress, turns, totals.tolist(), how)
            totals.zero_()
            log.info("epoch %d of %d: mean losses %s", epoch + 1, how.epochs, progress.losses[-1])
        if checkpoints:
            checkpoints.after_training(encoder, asdict(progress), totals)
    return progress


def _record(
    progress: JointProgress, turns: Sequence[tuple[int, np.ndarray]], totals: Sequence[float], how: Joint
) -> None:
    """Add an epoch's steps and mean losses; a task that no step was drawn for has no loss."""
    steps, examples = [0] * len(totals), [0] * len(totals)
    for task, members in turns:
        steps[task] += 1
        examples[task] += len(members)
    if not all(map(math.isfinite, totals)):
        raise DivergedError(
            f"training diverged: the mean losses of epoch {len(progress.turns) + 1} are {list(totals)}; "
            f"try a learning_rate below {how.learning_rate:g} or a clip_norm below {how.clip_norm:g}"
        )
    progress.turns.append(steps)
    progress.losses.append([total / seen if seen else None for total, seen in zip(totals, examples, strict=True)])

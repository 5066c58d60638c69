"""The steps of a training, of one task or several, and a classifier's training on one."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from supertickets.encoder.batches import Batch, epochs_of
from supertickets.encoder.model import Classifier
from supertickets.encoder.narrow import Narrowed
from supertickets.encoder.precision import computing
from supertickets.engine.dropout import seed_dropout
from supertickets.engine.optimizer import Optimizer, learning_rate
from supertickets.errors import DivergedError
from supertickets.seeds import derived, generator
from supertickets.training.best_epoch import BestEpoch
from supertickets.training.checkpoints import Checkpoints, Trained
from supertickets.training.settings import Steps

log = logging.getLogger(__name__)

#: Progress goes to the log this many times per training.
PROGRESS_LINES = 20

#: A task's number and the rows of a batch of it.
Turn = tuple[int, np.ndarray]
#: The loss of each example of a batch, from outputs and labels.
Losses = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Progress:
    """What a training did: steps and mean loss of each epoch, by task; a task without a turn has no loss."""

    steps: int = 0
    seconds: float = 0.0
    turns: list[list[int]] = field(default_factory=list)
    losses: list[list[float | None]] = field(default_factory=list)
    decay: float = 1.0  #: factor by which weight decay has shrunk every decayed matrix
    epoch: int | None = None  #: number of the best epoch, whose weights the model has; None for those of the last step


def losses_of(outputs: Tensor, labels: Tensor) -> Tensor:
    """Loss of each example: cross-entropy, or squared error where there is one output.

    Args:
        outputs: shape (n, outputs).
        labels: class index or target value as float64, shape (n,).
    """
    if outputs.shape[1] == 1:
        return nn.functional.mse_loss(outputs[:, 0], labels.to(outputs.dtype), reduction="none")
    return nn.functional.cross_entropy(outputs, labels.long(), reduction="none")


def by_labels(rows: np.ndarray) -> Losses:
    """The loss of a batch of these rows where its labels alone decide it."""
    return losses_of


def backward(model: Classifier, batch: Batch, losses: Losses = losses_of) -> Tensor:
    """Differentiate the mean loss of a batch, and return it, detached."""
    loss = losses(model(batch), batch.labels).mean()
    loss.backward()
    return loss.detach()


def take_steps(
    trained: Trained,
    step: Callable[[int, np.ndarray, float], Tensor],
    epochs: Iterable[Sequence[Turn]],
    counts: Sequence[int],
    settings: Steps,
    device: torch.device,
    checkpoints: Checkpoints | None,
    stop: int | None = None,
    after_epoch: Callable[[int, float], None] | None = None,
) -> Progress:
    """Take the steps of a single-task or multi-task training.

    Args:
        trained: what the steps update.
        step: takes one with a task, the rows of its batch and the rate; the sum of the batch's losses, detached.
        epochs: the turns of each epoch.
        counts: number of batches of each task; an epoch has as many turns as all have batches.
        settings: of the training.
        device: where the steps compute.
        checkpoints: where training continues from, and when its state is written.
        stop: the epoch after which training ends, from 1; the rate falls as if it continued. None for the last.
        after_epoch: what is done after each epoch, with its number and the factor of weight decay so far.

    Raises:
        DivergedError: a loss is not finite; says at which step and what helps.
        InterruptedRunError: a signal has asked the process to end; a checkpoint is written.
    """
    steps = settings.epochs * sum(counts)
    report_every = max(steps // PROGRESS_LINES, 1)
    # The losses so far stay on the device: nothing waits for them but the few reports.
    progress, totals = Progress(), torch.zeros(len(counts), dtype=torch.float64, device=device)
    if checkpoints:
        checkpoints.watch()
        if restored := checkpoints.restore(trained, device):
            progress, totals = Progress(**restored[0]), restored[1]
    began = time.perf_counter() - progress.seconds
    last = settings.epochs if stop is None else min(stop, settings.epochs)
    for epoch, turns in zip(range(last), epochs, strict=False):
        if epoch < len(progress.losses):
            continue
        for task, rows in turns[progress.steps - epoch * len(turns) :]:
            rate = learning_rate(progress.steps, steps, settings.warmup, settings.learning_rate)
            summed = step(task, rows, rate)
            totals[task] += summed
            progress.decay *= 1 - rate * settings.weight_decay
            progress.steps += 1
            progress.seconds = time.perf_counter() - began
            if progress.steps % report_every == 0:
                _log_step(_finite(float(summed) / len(rows), progress.steps, steps, settings), progress, steps)
            if checkpoints:
                checkpoints.after_step(trained, asdict(progress), totals)
        _end_epoch(turns, totals, progress, steps, settings)
        if after_epoch:
            after_epoch(epoch + 1, progress.decay)
    if checkpoints:
        checkpoints.after_training(trained, asdict(progress), totals)
    return progress


def _log_step(loss: float, progress: Progress, steps: int) -> None:
    """Log the mean loss of the last batch, and about how long the rest of all steps takes."""
    pace = progress.seconds / progress.steps
    log.info(
        "step %d of %d: loss %.4f, %.2f s a step, about %.0f s left",
        progress.steps, steps, loss, pace, pace * (steps - progress.steps),
    )  # fmt: skip


def _end_epoch(turns: Sequence[Turn], totals: Tensor, progress: Progress, steps: int, settings: Steps) -> None:
    """Add an epoch's turns and mean losses to the progress, log them, and sum anew.

    Args:
        turns: of the epoch.
        totals: the sum of the epoch's losses by task; zero afterwards.
        progress: of the training.
        steps: of the whole training.
        settings: of the training.
    """
    tasks = range(len(totals))
    examples = [sum(len(rows) for task, rows in turns if task == number) for number in tasks]
    means = [
        _finite(total / seen, progress.steps, steps, settings) if seen else None
        for total, seen in zip(totals.tolist(), examples, strict=True)
    ]
    progress.turns.append([sum(task == number for task, _ in turns) for number in tasks])
    progress.losses.append(means)
    totals.zero_()
    losses = ["none" if mean is None else f"{mean:.4f}" for mean in means]
    log.info("epoch %d of %d: mean loss %s", len(progress.losses), settings.epochs, ", ".join(losses))


def _finite(loss: float, step: int, steps: int, settings: Steps) -> float:
    if not math.isfinite(loss):
        raise DivergedError(
            f"training diverged: the loss is {loss} by step {step} of {steps}; "
            f"try a learning_rate below {settings.learning_rate:g} or a clip_norm below {settings.clip_norm:g}"
        )
    return loss


def train(
    model: Classifier,
    view: Narrowed,
    rows: np.ndarray,
    settings: Steps,
    seed: int,
    checkpoints: Checkpoints | None = None,
    losses_for: Callable[[np.ndarray], Losses] = by_labels,
    stop: int | None = None,
    score: Callable[[], float] | None = None,
    places: np.ndarray | None = None,
) -> Progress:
    """Train a model on one task, in place.

    Args:
        model: its word embedding narrowed; its weights are float32, whatever the precision.
        view: the examples as the narrowed model takes them.
        rows: the training examples among them.
        settings: of the training.
        seed: source of data order and dropout.
        checkpoints: as of :func:`take_steps`, which says what is raised.
        losses_for: says by its rows which loss a batch has.
        stop: as of :func:`take_steps`.
        score: of the model while it is trained; with it, the model gets the weights of the epoch with the best one.
        places: as of :func:`~supertickets.encoder.batches.epochs_of`.
    """
    order = generator(seed, "order of training data")
    epochs = ([(0, batch) for batch in batches] for batches in epochs_of(rows, settings.batch_size, order, places))
    seed_dropout(derived(seed, "dropout"))
    with computing(model.train(), view.compute.precision) as masters:
        optimizer = Optimizer(
            model, settings.optimizer, settings.weight_decay, masters, settings.eps, settings.bias_correction
        )
        best = BestEpoch(optimizer, score) if score else None

        def step(task: int, batch: np.ndarray, rate: float) -> Tensor:
            loss = backward(model, view.batch(batch), losses_for(batch))
            optimizer.step(rate, settings.clip_norm)
            return loss.double() * len(batch)

        progress = take_steps(
            best or optimizer, step, epochs, [settings.count(rows)], settings, view.compute.device, checkpoints, stop,
            best.after_epoch if best else None,
        )  # fmt: skip
        if best:
            progress.epoch, progress.decay = best.take()
    view.decay = progress.decay
    return progress

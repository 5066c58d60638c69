"""Train a classifier and predict with it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from supertickets.encoder.batches import Batch, epochs_of, sorted_batches
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import Classifier
from supertickets.encoder.narrow import Narrowed
from supertickets.encoder.precision import computing
from supertickets.engine.device import Compute
from supertickets.engine.dropout import seed_dropout
from supertickets.engine.optimizer import EPS, Optimizer, learning_rate
from supertickets.errors import DivergedError
from supertickets.files import read_object
from supertickets.seeds import derived, generator, places_of
from supertickets.training.best_epoch import BestEpoch
from supertickets.training.checkpoints import Checkpoints, Trained

log = logging.getLogger(__name__)

#: Sentences per batch in passes without weight updates.
EVALUATION_BATCH = 64
#: Progress goes to the log this many times per training.
PROGRESS_LINES = 20


@dataclass(frozen=True)
class Steps:
    """The steps of a training.

    Attributes:
        optimizer: ``adamax`` or ``adamw``.
        learning_rate: peak rate.
        batch_size: sentences per step.
        epochs: passes over the training examples; 0 trains nothing.
        warmup: share of the steps with a rising rate.
        weight_decay: decoupled decay of matrices.
        clip_norm: largest global norm of the gradient.
        eps, bias_correction: of the optimizer (:class:`~supertickets.engine.optimizer.Updated`).
        batches: ``shuffled`` (drawn for each epoch) or ``consecutive`` (of neighbours in the task's files, in one
            order for all epochs).
    """

    optimizer: str
    learning_rate: float
    batch_size: int
    epochs: int
    warmup: float
    weight_decay: float
    clip_norm: float
    eps: float = field(default=EPS, kw_only=True)
    bias_correction: bool = field(default=True, kw_only=True)
    batches: str = field(default="shuffled", kw_only=True)

    def count(self, rows: np.ndarray) -> int:
        """Number of batches of some examples."""
        return math.ceil(len(rows) / self.batch_size)


@dataclass(frozen=True)
class Settings(Steps):
    """How a model is trained; the keys of the config's ``training`` and of the task.

    Attributes:
        classifier_dropout: dropout before the task head.
        evaluate: the most examples of each part that are predicted; None for all.
        outputs: number of classes, or 1 for regression.
        threads: CPU threads; part of the settings because results depend on it in the last digits.
        device: ``auto`` (CUDA where there is one), ``cpu`` or ``cuda``.
        precision: ``auto`` (what the device is fast at), ``fp32`` or ``bf16``.
        model_epoch: whose weights are the trained model's: ``last``, ``best`` (on validation), or the number of an
            epoch, at which training stops.
        best_by: ``metric`` that says which epoch is best, and the most ``validation`` examples that it is computed on,
            None for all; None where no epoch is to be the best.
        order_seed: seed of the task's definition, which tells the order of the task's files.
        teacher: ``temperature`` and ``weight`` of a teacher (:mod:`supertickets.training.teacher`); None for none.
    """

    classifier_dropout: float
    evaluate: Mapping[str, int | None]
    outputs: int
    threads: int
    device: str
    precision: str
    teacher: Mapping[str, float] | None = None
    model_epoch: int | str = "last"
    best_by: Mapping[str, Any] | None = None
    order_seed: int = 0

    @property
    def stop(self) -> int | None:
        """The number of the epoch after which training stops; None for the last."""
        return None if isinstance(self.model_epoch, str) else self.model_epoch

    def places(self, data: Encoded) -> np.ndarray | None:
        """The number of each labelled example in the task's files, where the order of batches depends on it."""
        if self.batches == "shuffled":
            return None
        return places_of(int(np.isfinite(data.labels).sum()), self.order_seed)

    def start(self) -> Compute:
        """Fix the number of threads and say where and how precisely to compute.

        Raises:
            UserError: the config asks for CUDA, which is not there.
        """
        torch.set_num_threads(self.threads)
        return Compute.chosen(self.device, self.precision)


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
    for epoch, turns in zip(
        range(settings.epochs if stop is None else min(stop, settings.epochs)), epochs, strict=False
    ):
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
                loss = _finite(float(summed) / len(rows), progress.steps, steps, settings)
                pace = progress.seconds / progress.steps
                log.info(
                    "step %d of %d: loss %.4f, %.2f s a step, about %.0f s left",
                    progress.steps, steps, loss, pace, pace * (steps - progress.steps),
                )  # fmt: skip
            if checkpoints:
                checkpoints.after_step(trained, asdict(progress), totals)
        examples = [sum(len(rows) for task, rows in turns if task == number) for number in range(len(counts))]
        means = [
            _finite(total / seen, progress.steps, steps, settings) if seen else None
            for total, seen in zip(totals.tolist(), examples, strict=True)
        ]
        progress.turns.append([sum(task == number for task, _ in turns) for number in range(len(counts))])
        progress.losses.append(means)
        totals.zero_()
        told = ["none" if mean is None else f"{mean:.4f}" for mean in means]
        log.info("epoch %d of %d: mean loss %s", epoch + 1, settings.epochs, ", ".join(told))
        if after_epoch:
            after_epoch(epoch + 1, progress.decay)
    if checkpoints:
        checkpoints.after_training(trained, asdict(progress), totals)
    return progress


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


@torch.inference_mode()
def predict(model: Classifier, view: Narrowed, rows: np.ndarray) -> np.ndarray:
    """Outputs for some examples, dropout off.

    Args:
        model: its word embedding narrowed.
        view: the examples as the narrowed model takes them.
        rows: the examples among them.

    Returns:
        float32, shape (rows, outputs), in the order of ``rows``.

    Raises:
        DivergedError: an output is not finite.
    """
    model.eval()
    with computing(model, view.compute.precision):
        return outputs_of(model, view, rows)


def validation_score(model: Classifier, view: Narrowed, rows: np.ndarray, metric: str) -> float:
    """The score of a model in training, dropout off; arguments and errors as of :func:`predict`.

    The metric is loaded by its name, so that an edit of metrics reruns those trainings alone that need one.
    """
    model.eval()
    with torch.no_grad():
        outputs = outputs_of(model, view, rows)
    model.train()
    answers = outputs[:, 0] if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    plain = import_module(f"supertickets.evaluation.metrics.{metric}").METRIC.plain
    return float(plain(answers.astype(np.float64), view.data.labels[rows]))


def outputs_of(model: Classifier, view: Narrowed, rows: np.ndarray) -> np.ndarray:
    """As :func:`predict`, of a model that is in evaluation mode and computes in its precision."""
    groups = sorted_batches(np.arange(len(rows)), view.data.lengths[rows], EVALUATION_BATCH)
    outputs = np.empty((len(rows), model.classifier.out_features), dtype=np.float32)
    logits = [model(view.batch(rows[group])) for group in groups]
    outputs[np.concatenate(groups)] = torch.cat(logits).cpu().numpy()
    if not np.isfinite(outputs).all():
        raise DivergedError(
            "the trained model's outputs are not finite: training diverged; try a smaller learning_rate"
        )
    return outputs


def with_chosen(settings: Mapping[str, Any], chosen: Path | None) -> dict[str, Any]:
    """Settings with what a search chose (:func:`supertickets.training.choose_settings.choose_settings`) in their place.

    Raises:
        UserError: the file holds no such choice.
    """
    if chosen is None:
        return dict(settings)
    return {**settings, **read_object(chosen, "chosen")["chosen"]}


def settings_from(content: Mapping[str, Any]) -> Settings:
    """Settings from a stage's JSON argument; unknown or missing names raise TypeError."""
    return Settings(**content)

"""Train a classifier and predict with it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .batches import sorted_batches, training_batches
from .errors import UserError
from .model import Classifier
from .optimizer import Optimizer, learning_rate
from .seeds import derived, generator
from .vocabulary import Narrowed

log = logging.getLogger(__name__)

#: Sentences per batch in passes without weight updates.
EVALUATION_BATCH = 64
#: Progress goes to the log this many times per training.
PROGRESS_LINES = 20


@dataclass(frozen=True)
class Settings:
    """How a model is trained; the keys of the config's ``training`` and of the task.

    Attributes:
        optimizer: ``adamax`` or ``adamw``.
        learning_rate: peak rate.
        batch_size: sentences per step.
        epochs: passes over the training subset; 0 trains nothing.
        warmup: share of the steps with a rising rate.
        weight_decay: decoupled decay of matrices.
        clip_norm: largest global norm of the gradient.
        classifier_dropout: dropout before the task head.
        evaluate: examples of each evaluation part that are predicted; None for all.
        outputs: number of classes, or 1 for regression.
        threads: CPU threads; part of the settings because results depend on it in the last digits.
        device: ``auto`` (CUDA where there is one), ``cpu`` or ``cuda``.
    """

    optimizer: str
    learning_rate: float
    batch_size: int
    epochs: int
    warmup: float
    weight_decay: float
    clip_norm: float
    classifier_dropout: float
    evaluate: Mapping[str, int | None]
    outputs: int
    threads: int
    device: str

    def start(self) -> torch.device:
        """Fix the number of threads and return the device to train on.

        Raises:
            UserError: the config asks for CUDA, which is not there.
        """
        torch.set_num_threads(self.threads)
        if self.device == "cuda" and not torch.cuda.is_available():
            raise UserError("device is cuda: torch finds no CUDA device here; write auto or cpu")
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return torch.device(self.device)


@dataclass
class Progress:
    """What a training did: losses are means over the examples of each epoch."""

    steps: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)


def loss_of(outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean loss of a batch: cross-entropy, or squared error where there is one output.

    Args:
        outputs: shape (batch, outputs).
        labels: class index or target value as float64, shape (batch,).
    """
    if outputs.shape[1] == 1:
        return nn.functional.mse_loss(outputs[:, 0], labels.to(outputs.dtype))
    return nn.functional.cross_entropy(outputs, labels.long())


def train(
    model: Classifier, view: Narrowed, rows: np.ndarray, settings: Settings, seed: int, device: torch.device
) -> Progress:
    """Train a model in place.

    Args:
        model: on ``device``, its word embedding narrowed.
        view: the examples as the narrowed model takes them.
        rows: the training examples among them.
        settings: how.
        seed: source of data order and dropout.
        device: where the model is.

    Raises:
        UserError: the loss is not finite; says at which step and what helps.
    """
    order = generator(seed, "order of training data")
    torch.manual_seed(derived(seed, "dropout"))
    steps = settings.epochs * math.ceil(len(rows) / settings.batch_size)
    report_every = max(steps // PROGRESS_LINES, 1)
    optimizer = Optimizer(model, settings.optimizer, settings.weight_decay)
    labels = torch.from_numpy(view.data.labels).to(device)
    progress = Progress()
    began = time.perf_counter()
    model.train()
    for epoch in range(settings.epochs):
        epoch_loss = torch.zeros((), dtype=torch.float64, device=device)
        for batch in training_batches(rows, view.data.lengths[rows], settings.batch_size, order):
            loss = loss_of(model(**view.data.batch(batch, view.pad, device)), labels[batch])
            loss.backward()
            rate = learning_rate(progress.steps, steps, settings.warmup, settings.learning_rate)
            optimizer.step(rate, settings.clip_norm)
            view.decay *= 1 - rate * settings.weight_decay
            epoch_loss += loss.detach().double() * len(batch)
            progress.steps += 1
            if progress.steps % report_every == 0:
                _report(float(loss.detach()), progress.steps, steps, began, settings)
        progress.losses.append(_finite(float(epoch_loss) / len(rows), progress.steps, steps, settings))
        log.info("epoch %d of %d: mean loss %.4f", epoch + 1, settings.epochs, progress.losses[-1])
    progress.seconds = time.perf_counter() - began
    return progress


def _finite(loss: float, step: int, steps: int, settings: Settings) -> float:
    if not math.isfinite(loss):
        raise UserError(
            f"training diverged: the loss is {loss} by step {step} of {steps}; "
            f"try a learning_rate below {settings.learning_rate:g} or a clip_norm below {settings.clip_norm:g}"
        )
    return loss


def _report(loss: float, step: int, steps: int, began: float, settings: Settings) -> None:
    pace = (time.perf_counter() - began) / step
    log.info(
        "step %d of %d: loss %.4f, %.2f s a step, about %.0f s left",
        step, steps, _finite(loss, step, steps, settings), pace, pace * (steps - step),
    )  # fmt: skip


@torch.inference_mode()
def predict(model: Classifier, view: Narrowed, rows: np.ndarray, device: torch.device) -> np.ndarray:
    """Outputs for some examples, dropout off.

    Returns:
        float32, shape (rows, outputs), in the order of ``rows``.

    Raises:
        UserError: an output is not finite.
    """
    model.eval()
    place = {int(row): index for index, row in enumerate(rows)}
    outputs = np.zeros((len(rows), model.classifier.out_features), dtype=np.float32)
    for batch in sorted_batches(rows, view.data.lengths[rows], EVALUATION_BATCH):
        logits = model(**view.data.batch(batch, view.pad, device)).float().cpu().numpy()
        outputs[[place[int(row)] for row in batch]] = logits
    if not np.isfinite(outputs).all():
        raise UserError("the trained model's outputs are not finite: training diverged; try a smaller learning_rate")
    return outputs


def settings_from(content: Mapping[str, Any]) -> Settings:
    """Settings from a stage's JSON argument; unknown or missing names raise TypeError."""
    return Settings(**content)

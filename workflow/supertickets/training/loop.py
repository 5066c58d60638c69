"""Train a classifier and predict with it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from supertickets.encoder.batches import sorted_batches, training_batches
from supertickets.encoder.model import Classifier
from supertickets.encoder.narrow import Narrowed
from supertickets.encoder.precision import computing
from supertickets.engine.device import Compute
from supertickets.engine.dropout import seed_dropout
from supertickets.engine.optimizer import Optimizer, learning_rate
from supertickets.errors import DamagedError, DivergedError
from supertickets.files import read_json
from supertickets.seeds import derived, generator
from supertickets.training.checkpoints import Checkpoints

log = logging.getLogger(__name__)

#: Sentences per batch in passes without weight updates.
EVALUATION_BATCH = 64
#: What may take the place of each setting that is searched for, as in the config's schema.
SEARCHED = {
    "learning_rate": lambda rate: type(rate) in (int, float) and 0 < rate <= 1,
    "batch_size": lambda size: type(size) is int and size >= 1,
    "epochs": lambda epochs: type(epochs) is int and epochs >= 0,
}
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
        evaluate: examples of each part that are predicted; None for all.
        outputs: number of classes, or 1 for regression.
        threads: CPU threads; part of the settings because results depend on it in the last digits.
        device: ``auto`` (CUDA where there is one), ``cpu`` or ``cuda``.
        precision: ``auto`` (what the device is fast at), ``fp32`` or ``bf16``.
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
    precision: str

    def start(self) -> Compute:
        """Fix the number of threads and say where and how precisely to compute.

        Raises:
            UserError: the config asks for CUDA, which is not there.
        """
        torch.set_num_threads(self.threads)
        return Compute.chosen(self.device, self.precision)


@dataclass
class Progress:
    """What a training did: losses are means over the examples of each epoch."""

    steps: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    decay: float = 1.0  #: factor by which weight decay has shrunk every decayed matrix


def losses_of(outputs: Tensor, labels: Tensor) -> Tensor:
    """Loss of each example: cross-entropy, or squared error where there is one output.

    Args:
        outputs: shape (n, outputs).
        labels: class index or target value as float64, shape (n,).
    """
    if outputs.shape[1] == 1:
        return nn.functional.mse_loss(outputs[:, 0], labels.to(outputs.dtype), reduction="none")
    return nn.functional.cross_entropy(outputs, labels.long(), reduction="none")


def train(
    model: Classifier,
    view: Narrowed,
    rows: np.ndarray,
    settings: Settings,
    seed: int,
    checkpoints: Checkpoints | None = None,
) -> Progress:
    """Train a model in place.

    Args:
        model: its word embedding narrowed; its weights are float32, whatever the precision.
        view: the examples as the narrowed model takes them.
        rows: the training examples among them.
        settings: how.
        seed: source of data order and dropout.
        checkpoints: where training goes on from, and when its state is written.

    Raises:
        DivergedError: the loss is not finite; says at which step and what helps.
        InterruptedRunError: a signal has asked the process to end; a checkpoint is written.
    """
    order = generator(seed, "order of training data")
    seed_dropout(derived(seed, "dropout"))
    steps = settings.epochs * math.ceil(len(rows) / settings.batch_size)
    report_every = max(steps // PROGRESS_LINES, 1)
    # The loss so far stays on the device: nothing waits for it but the few reports.
    progress, total = Progress(), torch.zeros((), dtype=torch.float64, device=view.compute.device)
    model.train()
    with computing(model, view.compute.precision) as masters:
        optimizer = Optimizer(model, settings.optimizer, settings.weight_decay, masters)
        if checkpoints:
            checkpoints.watch()
            if found := checkpoints.restore(optimizer, view.compute.device):
                progress, total = Progress(**found[0]), found[1]
        began = time.perf_counter() - progress.seconds
        for epoch in range(settings.epochs):
            groups = training_batches(rows, settings.batch_size, order)
            if epoch < len(progress.losses):
                continue
            for batch in view.batches(groups[progress.steps - epoch * len(groups) :]):
                loss = losses_of(model(batch), batch.labels).mean()
                loss.backward()
                rate = learning_rate(progress.steps, steps, settings.warmup, settings.learning_rate)
                optimizer.step(rate, settings.clip_norm)
                progress.decay *= 1 - rate * settings.weight_decay
                total += loss.detach().double() * len(batch.labels)
                progress.steps += 1
                if progress.steps % report_every == 0:
                    _report(float(loss.detach()), progress.steps, steps, began, settings)
                progress.seconds = time.perf_counter() - began
                if checkpoints:
                    checkpoints.after_step(optimizer, asdict(progress), total)
            progress.losses.append(_finite(float(total) / len(rows), progress.steps, steps, settings))
            total.zero_()
            log.info("epoch %d of %d: mean loss %.4f", epoch + 1, settings.epochs, progress.losses[-1])
        if checkpoints:
            checkpoints.after_training(optimizer, asdict(progress), total)
        view.decay = progress.decay
    return progress


def _finite(loss: float, step: int, steps: int, settings: Settings) -> float:
    if not math.isfinite(loss):
        raise DivergedError(
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
    groups = sorted_batches(np.arange(len(rows)), view.data.lengths[rows], EVALUATION_BATCH)
    outputs = np.empty((len(rows), model.classifier.out_features), dtype=np.float32)
    with computing(model, view.compute.precision):
        logits = [model(batch) for batch in view.batches(rows[group] for group in groups)]
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
    content = read_json(chosen)
    found = content.get("chosen") if isinstance(content, dict) else None
    searched = isinstance(found, dict) and found.keys() <= SEARCHED.keys()
    if not found or not searched or not all(SEARCHED[name](value) for name, value in found.items()):
        raise DamagedError(chosen, f"chosen is {found!r:.80}, no settings")
    return {**settings, **found}


def settings_from(content: Mapping[str, Any]) -> Settings:
    """Settings from a stage's JSON argument; unknown or missing names raise TypeError."""
    return Settings(**content)

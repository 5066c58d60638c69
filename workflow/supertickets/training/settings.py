"""The settings of a training: what the config says of it, and what a search chose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from supertickets.encoder.encoded import Encoded
from supertickets.engine.device import Compute
from supertickets.files import read_object
from supertickets.seeds import places_of


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
    eps: float
    bias_correction: bool
    batches: str

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
    model_epoch: int | str
    teacher: Mapping[str, float] | None = None
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

"""Knowledge distillation: a ticket learns from the full model of its seed, beside the labels.

The full model predicts its training examples once, and a retrained ticket reads these outputs: with a teacher it trains
as fast as without. Source: Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network, 2015.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import read_model
from supertickets.encoder.narrow import narrowed
from supertickets.encoder.weights import read_weights
from supertickets.errors import reading
from supertickets.files import replacing
from supertickets.jobs.finished import give_up
from supertickets.training.loop import Losses, losses_of
from supertickets.training.predict import predict
from supertickets.training.settings import settings_from, with_chosen

log = logging.getLogger(__name__)

#: Name of the outputs in their file.
LOGITS = "logits"


def teach(
    config: Path,
    weights: Path,
    encoded: Path,
    subset: Path,
    settings: dict[str, Any],
    teacher: Path,
    chosen: Path | None = None,
    temporary: int = 0,
) -> None:
    """Write what a full model predicts of the examples that it was trained on, dropout off.

    Args:
        config: the encoder's ``config.json``.
        weights: the full model's.
        encoded: the tokenised task.
        subset: its training rows.
        settings: the fields of :class:`~supertickets.training.settings.Settings`.
        teacher: safetensors file to write: logits, shape (rows, outputs), in the order of the subset.
        chosen: file of the settings that a search chose, which replace those in ``settings``; None without a search.
        temporary: 1 if the weights are deleted afterwards: the training that made them keeps them no longer.

    Raises:
        UserError: an input is not usable, or an output is not finite.
    """
    training = settings_from(with_chosen(settings, chosen))
    compute = training.start()
    data = Encoded.read(encoded)
    rows = data.chosen_rows(subset)
    model = read_model(config, weights, None, training.outputs, 0.0, torch.Generator()).to(compute.device)
    with narrowed(model, data, rows, compute) as view:
        outputs = predict(model, view, rows)
    with replacing(teacher) as part:
        save_file({LOGITS: torch.from_numpy(outputs)}, part)
    if temporary:
        give_up(weights)
    log.info("the full model has predicted its %d training examples", len(rows))


@dataclass(frozen=True)
class Teacher:
    """What a full model predicts of its training examples, and how much that counts.

    Attributes:
        outputs: shape (examples of the task, outputs), zero for those that are not trained on.
        temperature: divides the logits of both models, so that the less likely classes count; not of a regression.
        weight: of the teacher in the loss, from 0 to 1; the labels have the rest.
    """

    outputs: Tensor
    temperature: float
    weight: float

    @classmethod
    def read(
        cls,
        path: Path,
        data: Encoded,
        rows: np.ndarray,
        outputs: int,
        settings: Mapping[str, float],
        device: torch.device,
    ) -> Teacher:
        """Read the outputs of a teacher.

        Args:
            path: file of :func:`teach`.
            data: the encoded task.
            rows: its training rows, in the order of the subset.
            outputs: number of classes, or 1 for regression.
            settings: ``temperature`` and ``weight``.
            device: where the training computes.

        Raises:
            UserError: the file does not hold outputs for each of the rows.
        """
        said, placed = read_weights(path), torch.zeros(len(data.ids), outputs)
        with reading(path, "the outputs of a teacher for these training examples"):
            placed[torch.from_numpy(rows)] = said[LOGITS].view(len(rows), outputs)
        return cls(placed.to(device), **settings)

    def losses_for(self, rows: np.ndarray) -> Losses:
        """The loss of each example of a batch of these rows.

        (1 - weight) times that of the labels, and weight times the teacher's: temperature squared times the
        Kullback-Leibler divergence of the ticket's classes from the teacher's, or squared error of a regression.
        """
        said = self.outputs[torch.from_numpy(rows).to(self.outputs.device)]

        def losses(outputs: Tensor, labels: Tensor) -> Tensor:
            return (1 - self.weight) * losses_of(outputs, labels) + self.weight * self._distances(outputs, said)

        return losses

    def _distances(self, outputs: Tensor, said: Tensor) -> Tensor:
        """How far outputs are from the teacher's, shape (n,)."""
        if outputs.shape[1] == 1:
            return nn.functional.mse_loss(outputs, said, reduction="none")[:, 0]
        own, theirs = (torch.log_softmax(logits / self.temperature, dim=1) for logits in (outputs, said))
        divergence = nn.functional.kl_div(own, theirs, reduction="none", log_target=True).sum(dim=1)
        return self.temperature**2 * divergence

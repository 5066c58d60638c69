"""What a scoring function may look at, besides the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .batches import Encoded
from .model import Classifier
from .training import loss_of


@dataclass(frozen=True)
class Sample:
    """The training examples of a run.

    Attributes:
        data: the encoded task.
        batches: rows of each batch of training examples.
        pad: id of the padding token.
        device: where the model is.
        random: source of anything random.
    """

    data: Encoded
    batches: list[np.ndarray]
    pad: int
    device: torch.device
    random: np.random.Generator

    def losses(self, model: Classifier) -> Iterator[Tensor]:
        """The mean loss of each batch, with its graph."""
        labels = torch.from_numpy(self.data.labels).to(self.device)
        for rows in self.batches:
            yield loss_of(model(**self.data.batch(rows, self.pad, self.device)), labels[rows])

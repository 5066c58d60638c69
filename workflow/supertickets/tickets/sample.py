"""The input of a scoring function: a model and its training examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from supertickets.encoder.batches import Batch, batch_of
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import Classifier
from supertickets.encoder.precision import computing
from supertickets.engine.device import Compute
from supertickets.tickets.gradients import Activity, measure
from supertickets.training.loop import losses_of
from supertickets.training.predict import EVALUATION_BATCH


@dataclass(frozen=True)
class Sample:
    """The training examples of a run, with a model and its activity on them.

    Attributes:
        model: a model with its weights.
        data: the encoded task.
        batches: rows of each batch of training examples.
        compute: the model's device and the precision to compute in.
        random: generator of random scores.
    """

    model: Classifier
    data: Encoded
    batches: list[np.ndarray]
    compute: Compute
    random: np.random.Generator

    @cached_property
    def activity(self) -> Activity:
        """The model's activity on these examples, measured once.

        Afterwards the model is in evaluation mode and its parameters require no gradients.
        """
        with computing(self.model, self.compute.precision):
            return measure(self.model, self._losses())

    def _losses(self) -> Iterator[tuple[Tensor, Batch, Tensor]]:
        """Sums of the mean losses of groups of batches, each group as large as is quick to compute at once.

        Yields:
            The loss with its graph, the examples, and for each example the number of its batch in the group, from 0.
        """
        pad = self.model.pad
        # Activations shared by all sentences, as of relative positions, cannot be divided among batches.
        packed = self.model.architecture.packed
        at_once = max(EVALUATION_BATCH // max(map(len, self.batches)), 1) if packed else 1
        for start in range(0, len(self.batches), at_once):
            joined = self.batches[start : start + at_once]
            batch = batch_of(self.data, np.concatenate(joined), pad, self.compute)
            sizes = torch.tensor([len(rows) for rows in joined])
            numbers = torch.arange(len(joined)).repeat_interleave(sizes).to(self.compute.device)
            losses = losses_of(self.model(batch), batch.labels) / sizes.to(self.compute.device)[numbers]
            yield losses.sum(), batch, numbers

"""The weights of a training's best epoch on validation, in place of those of its last."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from supertickets.engine.optimizer import Optimizer

log = logging.getLogger(__name__)


class BestEpoch:
    """An optimizer, and a copy of its values at the end of the epoch with the best score; the first of equals.

    An undefined score is worse than any other. What it remembers is part of its state, so a training that was
    interrupted continues with it.

    Args:
        optimizer: updates the weights.
        score: of the model as it is.
    """

    def __init__(self, optimizer: Optimizer, score: Callable[[], float]) -> None:
        self.optimizer, self.score = optimizer, score
        self.copies = [value.clone() for value in self._values()]
        device = self.copies[0].device
        # The best score, the number of its epoch from 1, and the factor of weight decay until then.
        self.best = torch.tensor([-torch.inf, 0.0, 1.0], dtype=torch.float64, device=device)

    def _values(self) -> list[Tensor]:
        return [value for group in self.optimizer.groups for value in group.values]

    def state(self) -> dict[str, Tensor]:
        """The optimizer's state and the best epoch's weights."""
        copies = {f"best.{index}": value for index, value in enumerate(self.copies)}
        return {**self.optimizer.state(), **copies, "best": self.best}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore a :meth:`state`, in place."""
        self.optimizer.restore(state)
        self.best.copy_(state["best"])
        for index, value in enumerate(self.copies):
            value.copy_(state[f"best.{index}"])

    @torch.no_grad()
    def after_epoch(self, epoch: int, decay: float) -> None:
        """Remember the weights if none before had so high a score.

        Args:
            epoch: number of the epoch that has ended, from 1.
            decay: factor by which weight decay has shrunk every decayed matrix so far.
        """
        score, best = self.score(), float(self.best[0])
        log.info("epoch %d: validation score %.4f", epoch, score)
        if score > best or best == -torch.inf:
            self.best.copy_(torch.tensor([score if score == score else -torch.inf, epoch, decay]))
            for copy, value in zip(self.copies, self._values(), strict=True):
                copy.copy_(value)

    @torch.no_grad()
    def take(self) -> tuple[int, float]:
        """Give the model the weights of the best epoch.

        Returns:
            Its number, from 1, and the factor of weight decay; 0 and 1 where there was no epoch.
        """
        for value, copy in zip(self._values(), self.copies, strict=True):
            value.copy_(copy)
        return int(self.best[1]), float(self.best[2])

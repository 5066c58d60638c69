"""Optimizers and the learning-rate schedule.

The update formulas are torch's own functional ones. Its ``Optimizer`` classes are left out because their first
step imports the compiler (one second in each of hundreds of short trainings).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adamax import adamax
from torch.optim.adamw import adamw

BETAS = (0.9, 0.999)
EPS = 1e-8


def learning_rate(step: int, steps: int, warmup: float, peak: float) -> float:
    """Linear warm-up to ``peak``, then linear decay to zero.

    Args:
        step: number of the step, from 0.
        steps: steps in all.
        warmup: share of the steps over which the rate rises.
        peak: highest rate.
    """
    rising = round(warmup * steps)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * (steps - step) / max(steps - rising, 1)


def without_decay(name: str) -> bool:
    """Whether a parameter is a bias or belongs to a layer norm; those are not decayed (published setting)."""
    return name.endswith(".bias") or ".LayerNorm." in name or ".norm." in name.lower()


class Optimizer:
    """Adamax or AdamW with decoupled weight decay on everything but biases and norms.

    Args:
        model: its parameters are trained.
        kind: ``adamax`` or ``adamw``.
        weight_decay: decay per step is ``rate * weight_decay``.
    """

    def __init__(self, model: nn.Module, kind: str, weight_decay: float) -> None:
        self.kind, self.weight_decay = kind, weight_decay
        named = list(model.named_parameters())
        self.groups = [
            [parameter for name, parameter in named if without_decay(name) == plain] for plain in (False, True)
        ]
        self.state = [
            {
                "first": [torch.zeros_like(parameter) for parameter in group],
                "second": [torch.zeros_like(parameter) for parameter in group],
                "steps": [torch.zeros((), device=parameter.device) for parameter in group],
            }
            for group in self.groups
        ]

    @property
    def parameters(self) -> Iterable[Tensor]:
        """All trained parameters."""
        return [parameter for group in self.groups for parameter in group]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update from the gradients, which are cleared after it."""
        for group, state, decay in zip(self.groups, self.state, (self.weight_decay, 0.0), strict=True):
            gradients = [parameter.grad for parameter in group]
            common = {"beta1": BETAS[0], "beta2": BETAS[1], "eps": EPS, "lr": rate}
            moments = (state["first"], state["second"])
            if self.kind == "adamw":
                adamw(
                    group, gradients, *moments, [], state["steps"],
                    fused=True, amsgrad=False, maximize=False, weight_decay=decay, **common,
                )  # fmt: skip
            else:
                if decay:
                    torch._foreach_mul_(group, 1 - rate * decay)
                adamax(group, gradients, *moments, state["steps"], foreach=True, weight_decay=0.0, **common)
            for parameter in group:
                parameter.grad = None

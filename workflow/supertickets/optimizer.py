"""Optimizers and the learning-rate schedule.

torch's ``Optimizer`` classes are left out because their first step imports the compiler, a second or more in each
of hundreds of short trainings. AdamW is torch's own fused function; Adamax, which torch has in a form that
allocates three times the model at every step, is written out here and held against torch's by a test.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

BETAS = (0.9, 0.999)
EPS = 1e-8
#: What torch's ``clip_grad_norm_`` adds to a norm.
NORM_EPS = 1e-6


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
    return name.endswith(".bias") or "norm" in name.lower()


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
        # First moment, and second moment or largest gradient, of each group.
        self.moments = [
            tuple([torch.zeros_like(parameter) for parameter in group] for _ in range(2)) for group in self.groups
        ]
        self.steps = 0

    @property
    def parameters(self) -> Iterable[Tensor]:
        """All trained parameters."""
        return [parameter for group in self.groups for parameter in group]

    @torch.no_grad()
    def step(self, rate: float, clip_norm: float) -> None:
        """One update from the gradients, which are used up and cleared by it.

        Args:
            rate: this step's learning rate.
            clip_norm: gradients of a larger global norm are divided down to it.
        """
        self.steps += 1
        norm = nn.utils.get_total_norm([parameter.grad for parameter in self.parameters])
        # float32 whatever the parameters are: the fused kernel takes no other.
        divisor = ((norm + NORM_EPS) / clip_norm).clamp_(min=1.0).float()
        for group, (first, second), decay in zip(self.groups, self.moments, (self.weight_decay, 0.0), strict=True):
            gradients = [parameter.grad for parameter in group]
            if self.kind == "adamw":
                counts = [torch.tensor(self.steps - 1.0, device=parameter.device) for parameter in group]
                adamw(
                    group, gradients, first, second, [], counts, fused=True, amsgrad=False, maximize=False,
                    beta1=BETAS[0], beta2=BETAS[1], eps=EPS, lr=rate, weight_decay=decay, grad_scale=divisor,
                )  # fmt: skip
            else:
                torch._foreach_div_(gradients, divisor)
                for arrays in zip(group, gradients, first, second, strict=True):
                    _adamax(*arrays, rate=rate, decay=decay, step=self.steps)
            for parameter in group:
                parameter.grad = None


def _adamax(
    parameter: Tensor, gradient: Tensor, first: Tensor, largest: Tensor, rate: float, decay: float, step: int
) -> None:
    """Adamax (Kingma and Ba, 2015, algorithm 2) in place, with decoupled decay; ``gradient`` is overwritten."""
    if decay:
        parameter.mul_(1 - rate * decay)
    first.lerp_(gradient, 1 - BETAS[0])
    torch.maximum(largest.mul_(BETAS[1]), gradient.abs_().add_(EPS), out=largest)
    parameter.addcdiv_(first, largest, value=-rate / (1 - BETAS[0] ** step))

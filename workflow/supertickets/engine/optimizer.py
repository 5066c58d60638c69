"""Optimizers and the learning-rate schedule.

torch's ``Optimizer`` classes are left out because their first step imports the compiler, a second or more in each
of hundreds of short trainings. AdamW is torch's own fused function; Adamax, which torch has in a form that
allocates three times the model at every step, is written out here and held against torch's by a test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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


def divisor_of(gradients: list[Tensor], clip_norm: float) -> Tensor:
    """What gradients are divided by so that their global norm is at most ``clip_norm``; a scalar tensor."""
    norm = nn.utils.get_total_norm(gradients)
    # float32 whatever the parameters are: the fused kernel takes no other.
    return ((norm + NORM_EPS) / clip_norm).clamp_(min=1.0).float()


class Optimizer:
    """Adamax or AdamW with decoupled weight decay on everything but biases and norms.

    Args:
        model: its parameters are trained.
        kind: ``adamax`` or ``adamw``.
        weight_decay: decay per step is ``rate * weight_decay``.
        masters: the float32 values of those parameters that hold rounded copies; they are what is updated.
    """

    def __init__(
        self, model: nn.Module, kind: str, weight_decay: float, masters: Mapping[nn.Parameter, Tensor] | None = None
    ) -> None:
        masters = masters or {}
        named = list(model.named_parameters())
        self.groups = [
            _Group([parameter for name, parameter in named if without_decay(name) == plain], masters, kind, decay)
            for plain, decay in ((False, weight_decay), (True, 0.0))
        ]

    def state(self) -> dict[str, Tensor]:
        """Float32 values of all parameters, and what is remembered of them, by name."""
        return state_of(self.groups)

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over a :meth:`state`, in place."""
        restore_state(self.groups, state)

    @torch.no_grad()
    def step(self, rate: float, clip_norm: float) -> None:
        """One update from the gradients, which are used up and cleared by it.

        Args:
            rate: this step's learning rate.
            clip_norm: gradients of a larger global norm are divided down to it.
        """
        gradients = [group.gradients() for group in self.groups]
        divisor = divisor_of([gradient for members in gradients for gradient in members], clip_norm)
        for group, members in zip(self.groups, gradients, strict=True):
            group.update(members, rate, divisor)


def gradient_of(parameter: Tensor) -> Tensor:
    """The gradient that a backward pass has left.

    Raises:
        ValueError: there is none: the loss does not depend on the parameter.
    """
    if parameter.grad is None:
        raise ValueError(f"a parameter of shape {tuple(parameter.shape)} has no gradient")
    return parameter.grad


class Updated:
    """Values that are updated together, with what the optimizer remembers of them.

    Args:
        values: contiguous tensors.
        kind: ``adamax`` or ``adamw``.
        decay: their weight decay.
    """

    def __init__(self, values: list[Tensor], kind: str, decay: float) -> None:
        self.values, self.kind, self.decay, self.steps = values, kind, decay, 0
        # First moment, and second moment or largest gradient.
        self.moments = [[torch.zeros_like(value) for value in values] for _ in range(2)]
        self.counts = [torch.zeros((), device=value.device) for value in values]

    def state(self) -> dict[str, Tensor]:
        """Values, moments and counts of steps by name."""
        lists = {"value": self.values, "first": self.moments[0], "second": self.moments[1], "count": self.counts}
        named = {f"{name}.{index}": tensor for name, tensors in lists.items() for index, tensor in enumerate(tensors)}
        return named | {"steps": torch.tensor(self.steps)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over a :meth:`state`, in place."""
        self.steps = int(state["steps"])
        for name, tensor in self.state().items():
            tensor.copy_(state[name])

    def update(self, gradients: list[Tensor], rate: float, divisor: Tensor) -> None:
        """One step from gradients, which are used up."""
        self.steps += 1
        first, second = self.moments
        if self.kind == "adamw":
            adamw(
                self.values, gradients, first, second, [], self.counts, fused=True, amsgrad=False, maximize=False,
                beta1=BETAS[0], beta2=BETAS[1], eps=EPS, lr=rate, weight_decay=self.decay, grad_scale=divisor,
            )  # fmt: skip
            return
        # All tensors at once spare a GPU launches; one after another they stay in a CPU's cache.
        at_once = len(gradients) if divisor.is_cuda else 1
        for start in range(0, len(gradients), at_once):
            members = slice(start, start + at_once)
            lists = self.values[members], gradients[members], first[members], second[members]
            _adamax(*lists, divisor, rate, self.decay, self.steps)


class _Group(Updated):
    """Parameters that are decayed alike."""

    def __init__(
        self, parameters: list[nn.Parameter], masters: Mapping[nn.Parameter, Tensor], kind: str, decay: float
    ) -> None:
        super().__init__([masters.get(parameter, parameter.detach()) for parameter in parameters], kind, decay)
        self.parameters = parameters
        self.rounded = [index for index, parameter in enumerate(parameters) if parameter in masters]
        self.buffers = [torch.empty_like(self.values[index]) for index in self.rounded]

    def gradients(self) -> list[Tensor]:
        """The gradients in the precision of the values; the parameters' own are cleared."""
        gradients = [gradient_of(parameter) for parameter in self.parameters]
        if self.rounded:
            torch._foreach_copy_(self.buffers, [gradients[index] for index in self.rounded])
            for index, buffer in zip(self.rounded, self.buffers, strict=True):
                gradients[index] = buffer
        for parameter in self.parameters:
            parameter.grad = None
        return gradients

    def update(self, gradients: list[Tensor], rate: float, divisor: Tensor) -> None:
        super().update(gradients, rate, divisor)
        self._round()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        super().restore(state)
        self._round()

    def _round(self) -> None:
        """Bring the rounded copies up to date."""
        if self.rounded:
            rounded = [self.parameters[index].detach() for index in self.rounded]
            torch._foreach_copy_(rounded, [self.values[index] for index in self.rounded])


def state_of(groups: Iterable[Updated]) -> dict[str, Tensor]:
    """The states of several groups as one."""
    return {f"{index}.{name}": tensor for index, group in enumerate(groups) for name, tensor in group.state().items()}


def restore_state(groups: Iterable[Updated], state: Mapping[str, Tensor]) -> None:
    """Take over what :func:`state_of` the same groups was."""
    for index, group in enumerate(groups):
        group.restore({name: state[f"{index}.{name}"] for name in group.state()})


def _adamax(
    values: list[Tensor],
    gradients: list[Tensor],
    first: list[Tensor],
    largest: list[Tensor],
    divisor: Tensor,
    rate: float,
    decay: float,
    step: int,
) -> None:
    """Adamax (Kingma and Ba, 2015, algorithm 2) in place, with decoupled decay; the gradients are overwritten."""
    torch._foreach_div_(gradients, divisor)
    if decay:
        torch._foreach_mul_(values, 1 - rate * decay)
    torch._foreach_lerp_(first, gradients, 1 - BETAS[0])
    torch._foreach_abs_(gradients)
    torch._foreach_add_(gradients, EPS)
    torch._foreach_mul_(largest, BETAS[1])
    torch._foreach_maximum_(largest, gradients)
    torch._foreach_addcdiv_(values, first, largest, value=-rate / (1 - BETAS[0] ** step))

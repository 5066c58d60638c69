"""Optimizers and the learning-rate schedule.

torch's ``Optimizer`` classes are not used: here the float32 masters of rounded copies are updated, and the pieces of
shared matrices that a task's ticket has. AdamW is torch's fused function. Adamax is written out, because torch's Adamax
allocates three times the model at every step; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

BETAS = (0.9, 0.999)
EPS = 1e-8
#: A number of steps after which Adam's corrections of its moments are exactly 1. Without them, steps count from here.
UNCORRECTED = 1_000_000
#: The number that torch's ``clip_grad_norm_`` adds to a norm.
NORM_EPS = 1e-6


def learning_rate(step: int, steps: int, warmup: float, peak: float) -> float:
    """The learning rate of a step: linear warm-up to ``peak``, then linear decay to zero.

    Args:
        step: number of the step, from 0.
        steps: total number of steps.
        warmup: share of the steps in which the rate rises.
        peak: highest rate.
    """
    rising = round(warmup * steps)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * (steps - step) / max(steps - rising, 1)


def without_decay(name: str) -> bool:
    """Whether a parameter is exempt from weight decay: biases and layer norms (published setting)."""
    return name.endswith(".bias") or "norm" in name.lower()


def divisor_of(gradients: list[Tensor], clip_norm: float) -> Tensor:
    """The divisor that limits the global norm of gradients to ``clip_norm``, as a scalar tensor."""
    norm = nn.utils.get_total_norm(gradients)
    # Always float32: the fused kernel takes no other type.
    return ((norm + NORM_EPS) / clip_norm).clamp_(min=1.0).float()


class Optimizer:
    """Adamax or AdamW with decoupled weight decay of all parameters except biases and norms.

    Args:
        model: the model to train.
        kind: ``adamax`` or ``adamw``.
        weight_decay: the decay per step is ``rate * weight_decay``.
        masters: the float32 values, which are updated, of parameters that hold rounded copies.
        eps, bias_correction: as of :class:`Updated`.
    """

    def __init__(
        self,
        model: nn.Module,
        kind: str,
        weight_decay: float,
        masters: Mapping[nn.Parameter, Tensor] | None = None,
        eps: float = EPS,
        bias_correction: bool = True,
    ) -> None:
        masters = masters or {}
        named = list(model.named_parameters())
        self.groups = [
            _Group(
                [parameter for name, parameter in named if without_decay(name) == plain],
                masters,
                kind,
                decay,
                eps,
                bias_correction,
            )
            for plain, decay in ((False, weight_decay), (True, 0.0))
        ]

    def state(self) -> dict[str, Tensor]:
        """Float32 values of all parameters and the optimizer's state, by name."""
        return state_of(self.groups)

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore a :meth:`state`, in place."""
        restore_state(self.groups, state)

    @torch.no_grad()
    def step(self, rate: float, clip_norm: float) -> None:
        """Update the parameters from their gradients, which are overwritten and cleared.

        Args:
            rate: this step's learning rate.
            clip_norm: gradients with a larger global norm are scaled down to it.
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
    """Tensors that are updated together, with the optimizer's state.

    Args:
        values: contiguous tensors.
        kind: ``adamax`` or ``adamw``.
        decay: weight decay of these tensors.
        eps: what keeps a divisor above 0.
        bias_correction: whether moments are divided by what they lack in the first steps, because they start at 0.
    """

    def __init__(
        self, values: list[Tensor], kind: str, decay: float, eps: float = EPS, bias_correction: bool = True
    ) -> None:
        self.values, self.kind, self.decay, self.eps = values, kind, decay, eps
        self.steps = 0 if bias_correction else UNCORRECTED
        # First moment, and second moment or largest gradient.
        self.moments = [[torch.zeros_like(value) for value in values] for _ in range(2)]
        self.counts = [torch.full((), float(self.steps), device=value.device) for value in values]

    def state(self) -> dict[str, Tensor]:
        """Values, moments and counts of steps by name."""
        lists = {"value": self.values, "first": self.moments[0], "second": self.moments[1], "count": self.counts}
        named = {f"{name}.{index}": tensor for name, tensors in lists.items() for index, tensor in enumerate(tensors)}
        return named | {"steps": torch.tensor(self.steps)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore a :meth:`state`, in place."""
        self.steps = int(state["steps"])
        for name, tensor in self.state().items():
            tensor.copy_(state[name])

    def update(self, gradients: list[Tensor], rate: float, divisor: Tensor) -> None:
        """Update the values from gradients, which are overwritten."""
        self.steps += 1
        if self.kind == "adamw":
            first, second = self.moments
            adamw(
                self.values, gradients, first, second, [], self.counts, fused=True, amsgrad=False, maximize=False,
                beta1=BETAS[0], beta2=BETAS[1], eps=self.eps, lr=rate, weight_decay=self.decay, grad_scale=divisor,
            )  # fmt: skip
            return
        # All tensors at once save kernel launches on a GPU. One at a time, a tensor stays in the cache of a CPU.
        at_once = len(gradients) if divisor.is_cuda else 1
        for start in range(0, len(gradients), at_once):
            members = slice(start, start + at_once)
            values, own, first, largest = (tensors[members] for tensors in (self.values, gradients, *self.moments))
            _adamax(values, own, first, largest, divisor, rate, self.decay, self.steps, self.eps)


class _Group(Updated):
    """Parameters with the same weight decay."""

    def __init__(
        self,
        parameters: list[nn.Parameter],
        masters: Mapping[nn.Parameter, Tensor],
        kind: str,
        decay: float,
        eps: float,
        bias_correction: bool,
    ) -> None:
        values = [masters.get(parameter, parameter.detach()) for parameter in parameters]
        super().__init__(values, kind, decay, eps, bias_correction)
        self.parameters = parameters
        self.rounded = [index for index, parameter in enumerate(parameters) if parameter in masters]
        self.buffers = [torch.empty_like(self.values[index]) for index in self.rounded]

    def gradients(self) -> list[Tensor]:
        """The gradients in the precision of the values; those of the parameters are cleared."""
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
        """Update the rounded copies."""
        if self.rounded:
            rounded = [self.parameters[index].detach() for index in self.rounded]
            torch._foreach_copy_(rounded, [self.values[index] for index in self.rounded])


def state_of(groups: Iterable[Updated]) -> dict[str, Tensor]:
    """The combined state of several groups."""
    return {f"{index}.{name}": tensor for index, group in enumerate(groups) for name, tensor in group.state().items()}


def restore_state(groups: Iterable[Updated], state: Mapping[str, Tensor]) -> None:
    """Restore the result of :func:`state_of` for the same groups, in place."""
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
    eps: float = EPS,
) -> None:
    """One step of Adamax (Kingma and Ba, 2015, algorithm 2), in place and with decoupled decay.

    The gradients are overwritten.
    """
    torch._foreach_div_(gradients, divisor)
    if decay:
        torch._foreach_mul_(values, 1 - rate * decay)
    torch._foreach_lerp_(first, gradients, 1 - BETAS[0])
    torch._foreach_abs_(gradients)
    torch._foreach_add_(gradients, eps)
    torch._foreach_mul_(largest, BETAS[1])
    torch._foreach_maximum_(largest, gradients)
    torch._foreach_addcdiv_(values, first, largest, value=-rate / (1 - BETAS[0] ** step))

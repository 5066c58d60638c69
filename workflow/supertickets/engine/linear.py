"""Linear maps in float32 through oneDNN on an x86 CPU.

torch has MKL compute float32 products there, at half the speed that an AMD processor with AVX-512 has. oneDNN, which
torch uses for bfloat16 by itself, is twice as fast there, and no slower with AVX2. Intel's could not be tried.
torch's own function for this has no gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def through_onednn() -> bool:
    """Whether this machine's linear maps in float32 are computed by oneDNN."""
    return torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability().startswith("AVX")


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """``left @ right.T + bias`` by oneDNN, in float32.

    Args:
        left: shape (..., n).
        right: shape (m, n).
        bias: shape (m,).

    Returns:
        Shape (..., m).
    """
    return torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")


class _Linear(torch.autograd.Function):
    """:func:`product` with gradients."""

    @staticmethod
    def forward(context: Any, values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        of_values, of_weight, _ = context.needs_input_grad
        context.save_for_backward(values if of_weight else None, weight if of_values else None)
        return product(values, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        values, weight = context.saved_tensors
        of_values, of_weight, of_bias = context.needs_input_grad
        rows = gradient.flatten(0, -2)
        return (
            product(gradient, weight.T) if of_values else None,
            product(rows.T, values.flatten(0, -2).T) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )


class Linear(nn.Linear):
    """``nn.Linear`` by oneDNN where torch would compute it in float32 on a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        """As ``nn.Linear``."""
        kinds = {input.dtype, self.weight.dtype}
        if input.device.type != "cpu" or kinds != {torch.float32} or torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        return _Linear.apply(input, self.weight, self.bias)


def speed_up_linears(model: nn.Module) -> None:
    """Make every ``nn.Linear`` of a model a :class:`Linear`, in place, where there is oneDNN for it."""
    if through_onednn():
        for module in model.modules():
            if type(module) is nn.Linear:
                module.__class__ = Linear  # the same parameters and hooks

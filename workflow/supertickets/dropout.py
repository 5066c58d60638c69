"""Dropout of hidden states whose masks are drawn cheaply on a CPU.

torch draws one number per element, a twentieth of a small encoder's training step. Sixteen random bits decide as
well, and four elements share one 64-bit number: a quarter of the time. Attention weights are dropped by
transformers' own attention functions, which call torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BITS = 16


class Dropout(nn.Dropout):
    """``nn.Dropout`` with its rate rounded to a multiple of 2^-16; off the CPU the same as torch's."""

    def forward(self, input: Tensor) -> Tensor:
        """Zero random elements and divide the others by the share that is kept; any shape."""
        if not self.training or input.device.type != "cpu" or self.p in (0.0, 1.0):
            return super().forward(input)
        dropped = min(round(self.p * 2**BITS), 2**BITS - 1)
        per_number = 64 // BITS
        numbers = torch.empty(-(-input.numel() // per_number), dtype=torch.int64).random_(-(2**63), None)
        kept = numbers.view(torch.int16)[: input.numel()].view(input.shape) >= dropped - 2 ** (BITS - 1)
        return input * kept.to(input.dtype).mul_(2**BITS / (2**BITS - dropped))


def cheapen_dropouts(model: nn.Module) -> None:
    """Replace every ``nn.Dropout`` of a model, in place."""
    for name, module in list(model.named_modules()):
        if type(module) is nn.Dropout:
            model.set_submodule(name, Dropout(module.p))

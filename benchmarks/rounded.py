"""bfloat16 matrix products on a processor without units for them, at the speed of float32.

Torch computes them there as it does elsewhere, products of bfloat16 numbers added up in float32 and rounded once, but
ten times slower than in float32. Computing the same in float32 and rounding differs in the order of additions only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

PRODUCTS = {torch.ops.aten.linear, torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm, torch.ops.aten.baddbmm}


class Rounded(TorchDispatchMode):
    """While this is entered, matrix products of bfloat16 tensors are computed in float32 and rounded."""

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Called for every operation of torch."""
        kwargs = kwargs or {}
        low = function.overloadpacket in PRODUCTS and args[0].dtype == torch.bfloat16
        if not low:
            return function(*args, **kwargs)
        wide = [value.float() if isinstance(value, torch.Tensor) else value for value in args]
        return function(*wide, **kwargs).bfloat16()

"""Read the tensors of weight files."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from supertickets.errors import DamagedError


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weight file, by name.

    Raises:
        UserError: the file cannot be read, or holds numbers of another type than float32.
    """
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise DamagedError(path, f"not a readable safetensors file ({error})")
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            raise DamagedError(path, f"holds other numbers than float32: {name} is {tensor.dtype}")
    return tensors

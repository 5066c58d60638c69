"""Read the tensors of weight files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file
from torch import Tensor

from supertickets.errors import UserError, message, reading

#: Types of numbers that float32 takes: exactly, but for float64, which is rounded.
READ = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a weight file that an earlier stage has written, by name.

    Raises:
        UserError: the file cannot be read.
    """
    with reading(path, "a readable safetensors file"):
        return load_file(path)


def read_any_weights(files: Mapping[str, Path | bytes], origin: object) -> dict[str, Tensor]:
    """Read the tensors of a model's weight files as they are, whole numbers too.

    Args:
        files: the files, or their bytes, by name.
        origin: where they are from, for messages.

    Raises:
        UserError: a file cannot be read, two hold a tensor of one name, or a tensor has numbers of a type that is not
            :data:`READ`, such as int8.
    """
    tensors: dict[str, Tensor] = {}
    for file, content in files.items():
        try:
            found = load_file(content) if isinstance(content, Path) else load(content)
        except (KeyError, TypeError, AttributeError) as error:  # raised for types that torch lacks
            raise UserError(f"{origin}: {file} {_of_no_type(error)}") from error
        except SafetensorError as error:
            raise UserError(f"{origin}: {file} is not a readable safetensors file ({error})") from error
        for name, tensor in found.items():
            if tensor.is_floating_point() and tensor.dtype not in READ:
                raise UserError(f"{origin}: {file} {_of_no_type(f'{name} is {tensor.dtype}')}")
            if name in tensors:
                raise UserError(f"{origin}: {file} holds {name}, which is in another of its weight files too")
            tensors[name] = tensor
    return tensors


def _of_no_type(reason: object) -> str:
    return message(f"has an unsupported number type ({reason}); save it in float32")

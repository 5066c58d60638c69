"""Rewind: cut a ticket out of the pre-trained weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from supertickets.encoder.families import Architecture, architecture_of, dimensions_of
from supertickets.encoder.ticket import Ticket
from supertickets.encoder.weights import read_weights
from supertickets.errors import UserError
from supertickets.files import read_json, replacing


def kept_columns(heads: tuple[int, ...], head_size: int) -> np.ndarray:
    """Columns of the kept heads in a layer's context vectors, shape (kept heads * head size,)."""
    return np.concatenate([np.arange(head * head_size, (head + 1) * head_size) for head in heads])


def cut_tensors(tensors: Mapping[str, np.ndarray], ticket: Ticket, architecture: Architecture) -> dict[str, np.ndarray]:
    """Cut pre-trained tensors down to the units of a ticket.

    Args:
        tensors: the full encoder, named ``{prefix}.{layers}.{i}.{module}.{weight or bias}``.
        ticket: the units to keep.
        architecture: the adapter that locates heads and blocks.

    Returns:
        A new mapping. Query, key and value keep the rows of kept heads, the output projection keeps their columns. A
        pruned feed-forward block keeps only the norm of its sum with the residual, if it has one.

    Raises:
        UserError: the tensors and the ticket differ in their layers.
    """
    inside = re.compile(rf"{re.escape(f'{architecture.prefix}.{architecture.layers}')}\.(\d+)\.")
    layers = {int(match[1]) for match in map(inside.match, tensors) if match}
    if layers != set(range(len(ticket.heads))):
        raise UserError(
            f"the ticket has {len(ticket.heads)} layers, the weights have layers {sorted(layers)}; "
            "both must come from the same encoder"
        )
    result: dict[str, np.ndarray] = {}
    for name, tensor in tensors.items():
        axis, indices = kept_part(name, tensor.shape, ticket, architecture)
        if len(indices) == tensor.shape[axis]:
            result[name] = tensor
        elif len(indices):
            result[name] = np.ascontiguousarray(tensor.take(indices, axis))
    return result


def kept_part(name: str, shape: Sequence[int], ticket: Ticket, architecture: Architecture) -> tuple[int, np.ndarray]:
    """The part of a weight tensor that a ticket keeps.

    Args:
        name, shape: name and shape of the full encoder's tensor.
        ticket: the units to keep.
        architecture: the adapter that locates heads and blocks.

    Returns:
        An axis and the kept indices along it: all for a tensor that belongs to no pruned unit, none for a tensor that
        belongs to a pruned block.
    """
    everything = np.arange(shape[0])
    layers = f"{architecture.prefix}.{architecture.layers}."
    if not name.startswith(layers):
        return 0, everything
    number, _, path = name.removeprefix(layers).partition(".")
    module, _, parameter = path.rpartition(".")
    layer = int(number)
    if module in architecture.head_inputs:
        part = shape[0] // architecture.fused
        rows = kept_columns(ticket.heads[layer], part // ticket.heads_per_layer)
        return 0, np.concatenate([place * part + rows for place in range(architecture.fused)])
    if module == architecture.head_output and parameter == "weight":
        return 1, kept_columns(ticket.heads[layer], shape[1] // ticket.heads_per_layer)
    removed = layer not in ticket.ffn and _removed_with_ffn(module, architecture)
    return 0, everything[:0] if removed else everything


def _removed_with_ffn(module: str, architecture: Architecture) -> bool:
    """Whether a module is removed together with a layer's feed-forward block."""
    inside = any(module == part or module.startswith(f"{part}.") for part, _ in architecture.ffn_parts)
    return inside and module != architecture.ffn_norm


def rewind(pretrained: Path, config: Path, ticket: Path, rewound: Path) -> None:
    """Write the pre-trained weights of the units that a ticket keeps.

    Args:
        pretrained: ``model.safetensors`` of the full encoder.
        config: its ``config.json``.
        ticket: the ticket file.
        rewound: the weight file to write.

    Raises:
        UserError: the weights cannot be read, or do not fit the ticket.
    """
    write_cut(read_arrays(pretrained), config, ticket, rewound)


def read_arrays(weights: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a weight file as arrays; as :func:`~supertickets.encoder.weights.read_weights`."""
    return {name: tensor.numpy() for name, tensor in read_weights(weights).items()}


def write_cut(tensors: Mapping[str, np.ndarray], config: Path, ticket: Path, cut: Path) -> None:
    """Write the part of an encoder's tensors that a ticket keeps.

    Args:
        tensors: the full encoder, as for :func:`cut_tensors`.
        config: its ``config.json``.
        ticket: the ticket file.
        cut: the weight file to write.
    """
    fields, units = read_json(config), Ticket.read(ticket)
    architecture = architecture_of(fields, str(config))
    layers, heads, _, _ = dimensions_of(fields, architecture, str(config))
    units.require_dimensions(layers, heads, str(ticket))
    with replacing(cut) as part:
        save_file(cut_tensors(tensors, units, architecture), part)

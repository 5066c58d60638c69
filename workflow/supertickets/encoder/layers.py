"""An encoder with fewer layers: the first ones, or any of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from supertickets.encoder.families import Architecture
from supertickets.errors import UserError


def some_layers(
    config: dict[str, Any],
    tensors: dict[str, np.ndarray],
    architecture: Architecture,
    layers: int | Sequence[int],
    source: Path,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Config and tensors of an encoder with some of its layers, whole and in their order.

    Args:
        config, tensors: of the whole encoder.
        architecture: its adapter.
        layers: how many to keep, the first ones, or the numbers of those to keep, from 0.
        source: where the encoder is from, for messages.

    Raises:
        UserError: the encoder lacks such a layer, or its first layer, which differs from the others, is left out.
    """
    key = architecture.dimensions[0]
    count = config[key]
    kept = range(layers) if isinstance(layers, int) else sorted(layers)
    if kept[-1] >= count:
        most = "that" if isinstance(layers, int) else count - 1
        raise UserError(f"{source}: layers is {layers}, the encoder has {count}; give at most {most}")
    # A longer number is not a layer, and Python refuses numbers of thousands of digits.
    path = re.compile(rf"({re.escape(f'{architecture.prefix}.{architecture.layers}')}\.)(0|[1-9]\d{{0,8}})(\..*)")
    found = [(name, path.fullmatch(name)) for name in tensors]
    names = {layer: {match[3] for _, match in found if match and int(match[2]) == layer} for layer in (0, kept[0])}
    # ModernBERT's first layer lacks a norm, and beside DeBERTa's first layer may be a convolution.
    if kept[0] and (names[0] != names[kept[0]] or config.get("conv_kernel_size")):
        raise UserError(f"{source}: layers is {layers}: layer 0 differs from the others; keep it")
    places = {layer: place for place, layer in enumerate(kept)}
    result = {
        f"{match[1]}{places[int(match[2])]}{match[3]}" if match else name: tensors[name]
        for name, match in found
        if not match or int(match[2]) in places
    }
    return {**config, key: len(kept), **_attention_types(config, architecture, kept, source)}, result


def _attention_types(
    config: Mapping[str, Any], architecture: Architecture, kept: Sequence[int], source: Path
) -> dict[str, list[str]]:
    """The key of a config that says which layers have a window, for some of its layers; empty where none needs it.

    Raises:
        UserError: there is not one for each layer.
    """
    if "layer_types" in config:
        types, count = config["layer_types"], config[architecture.dimensions[0]]
        if not isinstance(types, list) or len(types) != count:
            raise UserError(
                f"{source}: config.json: layer_types is {types!r:.80}; one for each of {count} layers is needed"
            )
        return {"layer_types": [types[layer] for layer in kept]}
    if architecture.masks and kept[-1] >= len(kept):  # otherwise they are the first, whose pattern is the same
        every = config.get("global_attn_every_n_layers", 3)
        return {"layer_types": ["sliding_attention" if layer % every else "full_attention" for layer in kept]}
    return {}

"""Convert a pre-trained encoder to the standard form: config, tokenizer, named float32 weights, dimensions."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor

from supertickets.data.archive import read_member
from supertickets.encoder.config import usable_config
from supertickets.encoder.families import Architecture, dimensions_of
from supertickets.encoder.fit import require_model
from supertickets.encoder.layers import some_layers
from supertickets.encoder.weights import read_any_weights
from supertickets.errors import UserError
from supertickets.experiment.missing_files import lacking
from supertickets.experiment.model_files import INDEX, TOKENIZER_FILES, WEIGHTS, weight_names
from supertickets.files import read_whole, replacing, require_readable, require_sha256, write_json

log = logging.getLogger(__name__)

#: The most bytes of a weight file. The largest encoders of the architectures have less than half of this.
LARGEST_WEIGHTS = 16 * 2**30

#: Names of a norm's weight and bias in old checkpoints.
LAYER_NORM = re.compile(r"(?<=LayerNorm\.)(gamma|beta)$")


def _new_name(match: re.Match[str]) -> str:
    """The present name of a norm's parameter."""
    return {"gamma": "weight", "beta": "bias"}[match[1]]


def prepare_model(source: Path, definition: dict[str, Any], pretrained: Path) -> None:
    """Write an encoder's files in the form that every later stage reads.

    Args:
        source: an archive that holds the model, the folder of a downloaded model, or any file in the user's own model
            folder.
        definition: the model's entry in the catalogue: ``folder`` inside the archive, ``hub``, or ``path`` of the
            user's folder; optionally ``sha256``, the expected hash of ``model.safetensors``, and ``layers`` as of
            :func:`~supertickets.encoder.layers.some_layers`.
        pretrained: folder to write: ``config.json``, ``tokenizer.json``, ``tokenizer_config.json``,
            ``model.safetensors`` and ``shape.json``.

    Raises:
        UserError: a file is missing, too large or has another hash, the architecture is not covered, or the weights
            do not fit the config.
    """
    read = _reader(source, definition)
    config, architecture = usable_config(read("config.json"), f"{source}: config.json")
    dimensions_of(config, architecture, f"{source}: config.json")  # checked before they are used
    weights = _weights(source, definition)
    tensors = standard_tensors(weights, architecture, source)
    if config.get("position_biased_input") is False:  # DeBERTa's checkpoints may hold unused positions
        tensors.pop(f"{architecture.prefix}.embeddings.position_embeddings.weight", None)
    if "layers" in definition:
        config, tensors = some_layers(config, tensors, architecture, definition["layers"], source)
    shape = shape_of(config, tensors, architecture, source)
    require_model(config, tensors, architecture, source)

    pretrained.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        (pretrained / name).write_bytes(read(name))
    (pretrained / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    with replacing(pretrained / "model.safetensors") as part:
        save_file(tensors, part)
    write_json(pretrained / "shape.json", shape)
    log.info("%s: %s", source, shape)


def _reader(source: Path, definition: Mapping[str, Any]) -> Callable[[str], bytes]:
    """A function that reads a file of the model by its name."""
    folder = _folder(source, definition)
    if folder:
        return lambda name: read_whole(folder / name)
    return lambda name: read_member(source, [f"{definition['folder']}/{name}"])


def _folder(source: Path, definition: Mapping[str, Any]) -> Path | None:
    """The folder of the model's files, or None if they are in an archive."""
    return source.parent if "path" in definition else source if "hub" in definition else None


def _weights(source: Path, definition: Mapping[str, Any]) -> dict[str, bytes | Path]:
    """The weight files by name, or the bytes of the one in an archive, after their hash and sizes are checked."""
    folder = _folder(source, definition)
    if folder and (problem := lacking(folder)):
        raise UserError(f"{folder}: {problem}")
    names = [name for name in weight_names(folder) if name != INDEX] if folder else [WEIGHTS]
    if "sha256" in definition and names != [WEIGHTS]:
        raise UserError(f"{source}: sha256 is of one {WEIGHTS}, and its weights are in several files; leave it out")
    files = {name: folder / name if folder else _reader(source, definition)(name) for name in names}
    total = 0
    for file in files.values():
        if isinstance(file, Path):
            require_readable(file, LARGEST_WEIGHTS - total)  # before its weights take memory
            total += file.stat().st_size
    if "sha256" in definition:
        require_sha256(files[WEIGHTS], definition["sha256"], f"{source}: {WEIGHTS}")
    return files


def standard_tensors(
    files: Mapping[str, bytes | Path], architecture: Architecture, source: Path
) -> dict[str, np.ndarray]:
    """Read the encoder's trained tensors as float32, named as in the family's models with a task head.

    Buffers and heads of other tasks are left out.

    Args:
        files: the weight files, or their bytes, by name.
        architecture: the family's adapter.
        source: where they are from, for messages.

    Raises:
        UserError: a file cannot be read, or a number is not finite in float32.
    """
    read = read_any_weights(files, source)
    tensors = {LAYER_NORM.sub(_new_name, name): tensor for name, tensor in read.items()}
    prefix, pooler = f"{architecture.prefix}.", f"{architecture.pooler_source}."
    prefixed = any(name.startswith(prefix) for name in tensors)
    result, other = {}, set()
    for name, tensor in sorted(tensors.items()):
        if not tensor.is_floating_point():
            continue
        if architecture.pooler_source and name.startswith(pooler):
            standard = f"{architecture.pooler_name}.{name.removeprefix(pooler)}"
        elif name.startswith(prefix) or not prefixed:
            standard = name if prefixed else prefix + name
        else:
            continue
        result[standard] = _float32(tensor, name, source)
        other |= {tensor.dtype} - {torch.float32}
    if other:
        log.info("%s: weights of %s are read as float32", source, ", ".join(sorted(map(str, other))))
    return result


def _float32(tensor: Tensor, name: str, source: Path) -> np.ndarray:
    """A tensor as float32; numbers that are not finite are refused."""
    result = tensor.to(torch.float32).numpy()
    if not np.isfinite(result).all():
        raise UserError(f"{source}: model.safetensors: {name} holds numbers that are not finite in float32")
    return result


def shape_of(
    config: dict[str, int], tensors: dict[str, np.ndarray], architecture: Architecture, source: Path
) -> dict[str, int]:
    """Dimensions of the encoder and its number of parameters, including a pooler that is drawn later.

    Raises:
        UserError: the weights have other layers or sizes than the config.
    """
    layers, heads, hidden, ffn = (config[name] for name in architecture.dimensions)
    path = f"{architecture.prefix}.{architecture.layers}."
    numbers = {name[len(path) :].partition(".")[0] for name in tensors if name.startswith(path)}
    indices = {int(number) if number.isdecimal() and len(number) < 10 else number for number in numbers}
    if len(indices) != layers or indices != set(range(layers)):
        listed = ", ".join(sorted(map(str, indices)))
        raise UserError(f"{source}: config.json says {layers} layers, model.safetensors has layers [{listed}]")
    _check_sizes(config, tensors, architecture, source)
    _check_layers([_within(tensors, f"{path}{layer}.") for layer in range(layers)], source)
    parameters = sum(tensor.size for tensor in tensors.values())
    if f"{architecture.pooler_name}.dense.weight" not in tensors:
        parameters += hidden * (hidden + 1)
    modules = {name[len(path) :].partition(".")[2].rpartition(".")[0] for name in tensors if name.startswith(path)}
    return {
        "layers": layers,
        "heads": heads,
        "hidden": hidden,
        "ffn": ffn,
        "parameters": parameters,
        "head_matrices": architecture.fused * len(architecture.projections(modules)) + 1,
        "ffn_matrices": architecture.ffn_matrices,
    }


def _within(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of a module, by their names in the module."""
    return {name.removeprefix(prefix): tensor.shape for name, tensor in tensors.items() if name.startswith(prefix)}


def _check_layers(layers: Sequence[Mapping[str, tuple[int, ...]]], source: Path) -> None:
    """Refuse layers that differ from the last layer. The first may lack a norm, as ModernBERT's does."""
    last = layers[-1]
    for number, layer in enumerate(layers):
        for name in sorted(last.keys() | layer.keys()):
            lacks_norm = number == 0 and name not in layer and name.endswith(("norm.weight", "norm.bias"))
            if layer.get(name) != last.get(name) and not lacks_norm:
                shapes = f"{name} has the shape {layer.get(name)} in layer {number}, and {last.get(name)} in the last"
                raise UserError(f"{source}: model.safetensors: {shapes}; layers must be alike (None: no such tensor)")


def _check_sizes(
    config: Mapping[str, Any], tensors: Mapping[str, np.ndarray], architecture: Architecture, source: Path
) -> None:
    """Refuse weights whose sizes are not the config's, before a model of the config's sizes is built."""
    pad, words = config.get("pad_token_id", 0), config.get("vocab_size", math.inf)
    if pad >= words:
        raise UserError(f"{source}: config.json says pad_token_id {pad}, which is not below vocab_size {words}")
    _, _, hidden, ffn = (config[name] for name in architecture.dimensions)
    sizes = {f".{path}.weight": architecture.fused * hidden for path in architecture.head_inputs}
    sizes |= {f".{architecture.ffn_inner}.weight": (architecture.ffn_matrices - 1) * ffn}
    for key, names in (
        ("vocab_size", ("word_embeddings", "tok_embeddings")),
        ("max_position_embeddings", ("position_embeddings",)),
        ("type_vocab_size", ("token_type_embeddings",)),
    ):
        if key in config:
            sizes |= {f".{name}.weight": config[key] for name in names}
    for name, tensor in tensors.items():
        expected = next((size for ending, size in sizes.items() if name.endswith(ending)), None)
        if expected is not None and (tensor.ndim != 2 or tensor.shape[0] != expected):
            raise UserError(
                f"{source}: config.json asks for {expected!r:.80} rows of {name}; its shape in model.safetensors is "
                f"{list(tensor.shape)}"
            )

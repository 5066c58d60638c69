"""Whether weights are those of the model that a config describes, and whether the model computes anything.

This asks transformers' own model, not that of :mod:`supertickets.encoder.model`: what prepares an encoder depends on no
code that trains it, so that an edit there prepares and tokenises nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import initialization

from supertickets.encoder.families import Architecture, load_classes
from supertickets.errors import UserError, blamed_on


def require_model(
    config: Mapping[str, Any], tensors: Mapping[str, np.ndarray], architecture: Architecture, source: object
) -> None:
    """Refuse an encoder that no training could load or compute with.

    Args:
        config: content of the encoder's ``config.json``.
        tensors: its weights, named as in the family's models with a task head.
        architecture: the family's adapter.
        source: where they are from, for messages.

    Raises:
        UserError: a tensor is missing, unknown or of another shape, or the model does not take a token.
    """
    origin = f"{source}: config.json"
    with torch.device("meta"):  # nothing of the config's sizes is allocated before the weights are known to have them
        parts = _parts(config, architecture, origin)
    shapes = {
        f"{prefix}.{name}": tuple(tensor.shape)
        for prefix, part in parts.items()
        for name, tensor in part.state_dict().items()
    }
    found = {name: tensor.shape for name, tensor in tensors.items()}
    drawn = {name for name in shapes.keys() - found.keys() if name.startswith(f"{architecture.pooler_name}.")}
    names = (shapes.keys() | found.keys()) - drawn
    if wrong := sorted(name for name in names if shapes.get(name) != found.get(name)):
        name, more = wrong[0], f", and {len(wrong) - 1} others differ" * (len(wrong) > 1)
        raise UserError(
            f"{source}: the weights do not match config.json: {name} has the shape {found.get(name)}, in transformers' "
            f"model {shapes.get(name)} (None: no such tensor){more}"
        )
    begin = f"{architecture.prefix}."
    encoder = _parts(config, architecture, origin)[architecture.prefix].eval()
    own = {name.removeprefix(begin): torch.from_numpy(tensor) for name, tensor in tensors.items()}
    encoder.load_state_dict(own, assign=True, strict=False)
    with torch.inference_mode(), blamed_on(f"{origin}: transformers' model of it does not compute"):
        token = torch.zeros(1, 1, dtype=torch.int64)
        encoder(input_ids=token, attention_mask=torch.ones_like(token))


def _parts(config: Mapping[str, Any], architecture: Architecture, origin: str) -> dict[str, nn.Module]:
    """The encoder, and a pooler that weight files hold beside it, by their prefixes there; weights are meaningless."""
    unmade = f"{origin}: transformers makes no encoder of it"
    config_class, model_class = load_classes(architecture.config_class, architecture.model_class)
    with blamed_on(unmade), initialization.no_init_weights():
        made = config_class.from_dict(dict(config))
        made._attn_implementation = "eager"
        parts = {architecture.prefix: model_class(made)}
        if architecture.pooler_class:
            parts[architecture.pooler_name] = load_classes(architecture.pooler_class)[0](made)
    return parts

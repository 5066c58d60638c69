"""Whether weights are those of the model that a config describes, and whether the model computes anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from supertickets.encoder.batches import batch_of
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import build, drawn_weights
from supertickets.engine.device import Compute
from supertickets.errors import UserError, blamed_on


def require_model(config: Mapping[str, Any], tensors: Mapping[str, np.ndarray], source: object) -> None:
    """Refuse an encoder that no training could load or compute with.

    Args:
        config: content of the encoder's ``config.json``.
        tensors: its weights, named as in the family's models with a task head.
        source: where they are from, for messages.

    Raises:
        UserError: a tensor is missing, unknown or of another shape, or the model does not take a sentence.
    """
    origin = f"{source}: config.json"
    with torch.device("meta"):  # nothing of the config's sizes is allocated before the weights are known to have them
        model = build(config, None, 1, 0.0, origin)
    drawn = drawn_weights(model, tensors, torch.Generator().manual_seed(0))
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if name not in drawn}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if wrong := sorted(name for name in shapes.keys() | found.keys() if shapes.get(name) != found.get(name)):
        name, more = wrong[0], f", and {len(wrong) - 1} others differ" * (len(wrong) > 1)
        raise UserError(
            f"{source}: the weights are not of the model of config.json: {name} has the shape {found.get(name)}, in "
            f"transformers' model {shapes.get(name)} (None: no such tensor){more}"
        )
    model = build(config, None, 1, 0.0, origin).eval()
    model.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()} | drawn, assign=True)
    with torch.inference_mode(), blamed_on(f"{origin}: transformers' model of it does not compute"):
        model(batch_of(_one_token(model.pad), np.arange(1), model.pad, Compute(torch.device("cpu"), "fp32")))


def _one_token(token: int) -> Encoded:
    """An example of one token."""
    return Encoded(["0"], ["train"], np.zeros(1), np.array([token]), np.array([0]), np.array([0, 1]))

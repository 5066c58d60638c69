"""A model's ``config.json`` as all stages read it: without keys of other uses, and refused where one is not covered."""

from __future__ import annotations

import json
from typing import Any

from supertickets.encoder.families import Architecture, architecture_of
from supertickets.errors import UserError, message

#: Keys that are left out: classes of a former head, of which transformers makes lists, and ways to call a model.
OF_OTHER_TASKS = ("num_labels", "id2label", "label2id")
OF_OTHER_CALLS = (
    "return_dict", "use_return_dict", "torchscript", "output_attentions", "output_hidden_states",
    "chunk_size_feed_forward", "is_decoder", "add_cross_attention", "attn_implementation", "_attn_implementation",
    "experts_implementation",
)  # fmt: skip
#: Keys that are left out unless they have this value, which changes nothing. With the first, layers would be computed
#: twice, with other dropout masks the second time; weights are read as float32, whatever type they were saved in.
NEUTRAL = {"gradient_checkpointing": False, "dtype": "float32", "torch_dtype": "float32"}

#: Keys that ask for another encoder than the family's, where they hold anything; transformers ignores some of them.
REFUSED = {
    "pruned_heads": message("layers that lack heads are not read; take the model before heads were pruned"),
    "quantization_config": message("quantised weights are not read; save the model in float32"),
    "per_layer_config": message("layers must be alike"),
}


def usable_config(content: bytes, origin: str) -> tuple[dict[str, Any], Architecture]:
    """The keys of a model's config that later stages read, and its family's adapter.

    Args:
        content: of the file.
        origin: the file, for messages.

    Raises:
        UserError: it is not a config of a family that is covered, or asks for an encoder that is not computed.
    """
    try:
        config = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{origin} is not valid JSON ({error})") from error
    if isinstance(config, dict):
        config = {key: value for key, value in config.items() if value is not None and key not in OF_OTHER_TASKS}
    architecture = architecture_of(config, origin)
    _refuse_other_encoders(config, architecture, origin)
    left_out = (*OF_OTHER_CALLS, *(key for key, value in NEUTRAL.items() if config.get(key) != value))
    return {key: value for key, value in config.items() if key not in left_out}, architecture


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which is not a JSON number")


def _refuse_other_encoders(config: dict[str, Any], architecture: Architecture, origin: str) -> None:
    """Refuse a config of an encoder that computes something else than its family's class in transformers."""
    positions = config.get("position_embedding_type", architecture.positions[0])
    if positions not in architecture.positions:
        known = " or ".join(map(repr, architecture.positions))
        what = f"the positions of {architecture.prefix} that are computed are {known}"
        raise UserError(f"{origin} says position_embedding_type {positions!r:.80}; {what}")
    for key, reason in REFUSED.items():
        if config.get(key):
            raise UserError(f"{origin} says {key} {config[key]!r:.80}; {reason}")
    code = config.get("auto_map") or {}
    if not isinstance(code, dict) or any(key.startswith(("AutoModel", "AutoConfig")) for key in code):
        what = "custom code is not run; remove the key if transformers' own class computes the same"
        raise UserError(f"{origin} says auto_map {code!r:.80}; {what}")

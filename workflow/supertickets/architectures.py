"""Where the heads and feed-forward blocks of an architecture are: one small adapter each.

The rest of the library asks an adapter; only :mod:`supertickets.first_token` has code of an architecture of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import UserError


@dataclass(frozen=True)
class Architecture:
    """Names inside one family of encoders; module paths are relative to a layer.

    Attributes:
        config_class, model_class: ``module:class`` of transformers.
        prefix: name of the encoder inside the family's models with a task head, and so in weight files.
        layers: path of the list of layers in the model.
        head_inputs: projections whose output rows belong to heads (query, key, value).
        head_output: projection whose input columns belong to heads.
        ffn_inner: first part of a feed-forward block: hidden states to inner states.
        ffn_output: second part, with dropout, residual add and norm: ``(inner, residual) -> hidden``.
        ffn_product: the module in it whose output a mask variable multiplies, before the residual add.
        ffn_norm: the norm of the residual sum, the one thing that stays of a pruned block.
        pooler: path of the pooler in the model; initialised by the seed where a checkpoint has none.
        dimensions: names in the model's config of layers, heads, hidden and inner width.
    """

    config_class: str
    model_class: str
    prefix: str
    layers: str
    head_inputs: tuple[str, ...]
    head_output: str
    ffn_inner: str
    ffn_output: str
    ffn_product: str
    ffn_norm: str
    pooler: str
    dimensions: tuple[str, str, str, str]


BERT = Architecture(
    config_class="transformers.models.bert.configuration_bert:BertConfig",
    model_class="transformers.models.bert.modeling_bert:BertModel",
    prefix="bert",
    layers="encoder.layer",
    head_inputs=("attention.self.query", "attention.self.key", "attention.self.value"),
    head_output="attention.output.dense",
    ffn_inner="intermediate",
    ffn_output="output",
    ffn_product="output.dense",
    ffn_norm="output.LayerNorm",
    pooler="pooler",
    dimensions=("num_hidden_layers", "num_attention_heads", "hidden_size", "intermediate_size"),
)

#: By ``model_type`` of the model's config.json.
ARCHITECTURES: dict[str, Architecture] = {"bert": BERT}


def architecture_of(config: Mapping[str, Any], origin: str) -> Architecture:
    """The adapter for a model's config.

    Args:
        config: content of the model's ``config.json``.
        origin: where it came from, for the message.

    Raises:
        UserError: the architecture is not covered; says which are.
    """
    model_type = config.get("model_type")
    if model_type not in ARCHITECTURES:
        covered = ", ".join(sorted(ARCHITECTURES))
        raise UserError(f"{origin}: model_type is {model_type!r}; the architectures covered are: {covered}")
    return ARCHITECTURES[model_type]

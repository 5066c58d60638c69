"""Compute the last layer for the first token only, which is all that a classifier reads.

The last layer's keys and values need every token; its queries, output projection and feed-forward block are used
at [CLS] alone. Leaving out the rest changes no logit and no gradient and saves five sixths of that layer.
"""

from __future__ import annotations

import sys
from types import MethodType
from typing import Any

from torch import Tensor, nn


def bert_layer(
    layer: nn.Module, states: Tensor, attention_mask: Tensor | None = None, *unused: Any, **unused_too: Any
) -> Tensor:
    """A BERT layer's output at the first token.

    Args:
        layer: a layer of transformers' BERT; its own parts are called.
        states: hidden states, shape (batch, tokens, hidden).
        attention_mask: additive mask, shape (batch, 1, 1 or tokens, tokens).

    Returns:
        Shape (batch, 1, hidden).
    """
    attention = layer.attention.self
    first = states[:, :1]

    def by_head(projected: Tensor) -> Tensor:
        return projected.unflatten(-1, (-1, attention.attention_head_size)).transpose(1, 2)

    model_module = sys.modules[type(attention).__module__]
    attend = model_module.ALL_ATTENTION_FUNCTIONS.get_interface(
        attention.config._attn_implementation, model_module.eager_attention_forward
    )
    context, _ = attend(
        attention,
        by_head(attention.query(first)),
        by_head(attention.key(states)),
        by_head(attention.value(states)),
        None if attention_mask is None else attention_mask[..., :1, :],
        dropout=attention.dropout.p if layer.training else 0.0,
        scaling=attention.scaling,
    )
    return layer.feed_forward_chunk(layer.attention.output(context.flatten(2), first))


#: By ``model_type``; other architectures compute their last layer whole.
LAST_LAYERS = {"bert": bert_layer}


def only_first_token(last: nn.Module, model_type: str) -> None:
    """Make a model's last layer compute its first token only, in place."""
    if model_type in LAST_LAYERS:
        last.forward = MethodType(LAST_LAYERS[model_type], last)

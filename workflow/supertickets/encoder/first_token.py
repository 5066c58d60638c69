"""Compute the last layer for each sentence's first token only, the only output that a classifier reads.

The last layer's keys and values need every token. Its queries, output projection and feed-forward block are used at
[CLS] only. Leaving out the other tokens changes no logit and no gradient, and saves five sixths of that layer.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

from torch import Tensor, nn

from supertickets.engine.attention import Packing, packed_attention


def bert_layer(layer: nn.Module, states: Tensor, *unused: Any, packing: Packing, **unused_too: Any) -> Tensor:
    """The output of a BERT layer at the first tokens.

    Args:
        layer: a layer of transformers' BERT, RoBERTa or ELECTRA, whose submodules are called.
        states: hidden states, shape (1, tokens, hidden).
        packing: the positions of the n sentences.

    Returns:
        Shape (n, 1, hidden).
    """
    attention = layer.attention.self
    first = states[:, packing.starts]

    def by_head(projected: Tensor) -> Tensor:
        return projected.unflatten(-1, (-1, attention.attention_head_size)).transpose(1, 2)

    context, _ = packed_attention(
        attention,
        by_head(attention.query(first)),
        by_head(attention.key(states)),
        by_head(attention.value(states)),
        None,
        packing,
        dropout=attention.dropout.p if layer.training else 0.0,
        scaling=attention.scaling,
    )
    return layer.feed_forward_chunk(layer.attention.output(context.flatten(2), first)).transpose(0, 1)


#: Functions by the names that adapters have for them (``last_layer`` of an architecture).
LAST_LAYERS = {"bert": bert_layer}


def only_first_token(last: nn.Module, name: str) -> None:
    """Make a model's last layer compute first tokens only, in place, by the function of :data:`LAST_LAYERS`."""
    last.forward = MethodType(LAST_LAYERS[name], last)

"""Sentences of a batch one after another, without padding between them.

All of an encoder but attention treats each token by itself, so a batch is one row of its sentences' tokens, and no
padding is multiplied by any matrix. Attention puts each head's tokens in rows of one length, and back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .dropout import dropout

#: The name under which transformers finds :func:`packed_attention`.
NAME = "packed"


@dataclass
class Packing:
    """Where the tokens of a batch are.

    Packed, there are n sentences' tokens and at least one null token behind them, which belongs to no sentence. Padded,
    each sentence has a row of ``width`` places; those behind its end hold the first null token.

    Attributes:
        packed: for each place the packed token it holds, shape (n, width).
        places: for each packed token its place in the flattened ``packed``, shape (tokens,); any for null tokens.
        starts: each sentence's first packed token, shape (n,).
        tokens: how many packed tokens belong to sentences.
    """

    packed: Tensor
    places: Tensor
    starts: Tensor
    tokens: int
    _by_heads: dict[int, tuple[Tensor, Tensor, Tensor]] = field(default_factory=dict)

    def by_heads(self, heads: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """The same for a layer with some number of heads, which are further rows.

        Returns:
            For each place of a padded (n, heads, width) the row of a packed (tokens, heads), flat; for each of those
            the place; and what is added to attention scores, shape (n * heads, 1, width): minus infinity for null.
        """
        if heads not in self._by_heads:
            width = self.packed.shape[1]
            head = torch.arange(heads, device=self.packed.device)
            rows = self.packed[:, None, :] * heads + head[:, None]
            row, column = self.places // width, self.places % width
            places = (row[:, None] * heads + head) * width + column[:, None]
            null = torch.zeros(self.packed.shape, dtype=dtype, device=self.packed.device)
            null.masked_fill_(self.packed >= self.tokens, -math.inf)
            mask = null.repeat_interleave(heads, dim=0).unsqueeze(1)
            self._by_heads[heads] = (rows.flatten(), places.flatten(), mask)
        return self._by_heads[heads]


def pack(lengths: np.ndarray, round_to: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Indices of a :class:`Packing`.

    Args:
        lengths: tokens of each sentence, shape (n,).
        round_to: the number of packed tokens is rounded up to a multiple of it, and the width to one of it or of 8,
            whichever is less.

    Returns:
        ``packed``, ``places`` and the number of packed tokens, null tokens included.
    """
    tokens = int(lengths.sum())
    columns = min(round_to, 8)
    width = -(-int(lengths.max()) // columns) * columns
    filled = np.arange(width) < lengths[:, None]
    total = -(-(tokens + 1) // round_to) * round_to
    packed = np.full(filled.shape, tokens, dtype=np.int64)
    packed[filled] = np.arange(tokens)
    places = np.zeros(total, dtype=np.int64)
    places[:tokens] = np.flatnonzero(filled)
    return packed, places, total


class _Unpack(torch.autograd.Function):
    """Rows of packed tokens to padded places; null tokens get no gradient."""

    @staticmethod
    def forward(context: Any, values: Tensor, rows: Tensor, places: Tensor, kept: int) -> Tensor:
        context.save_for_backward(places)
        context.kept = kept
        return values.index_select(0, rows)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        packed = gradient.index_select(0, context.saved_tensors[0])
        packed[context.kept :] = 0
        return packed, None, None, None


class _Pack(torch.autograd.Function):
    """Padded places to rows of packed tokens. Nothing is taken of padding, whose gradient is the null tokens': zero."""

    @staticmethod
    def forward(context: Any, values: Tensor, rows: Tensor, places: Tensor) -> Tensor:
        context.save_for_backward(rows)
        return values.index_select(0, places)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient.index_select(0, context.saved_tensors[0]), None, None


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    packing: Packing,
    dropout: float = 0.0,
    scaling: float | None = None,
    **unused: Any,
) -> tuple[Tensor, None]:
    """Attention of every token to the tokens of its own sentence: an attention function of transformers.

    Args:
        module: unused.
        query: shape (1, heads, tokens, head size); or (1, heads, n, head size) where each sentence asks for its first
            token only.
        key, value: shape (1, heads, tokens, head size).
        attention_mask: none; the packing says what belongs together.
        packing: of the batch.
        dropout: share of the attention weights to drop.
        scaling: factor of the scores.

    Returns:
        Context vectors, shape (1, tokens or n, heads, head size), and no weights.
    """
    heads, size = key.shape[1], key.shape[3]
    rows, places, mask = packing.by_heads(heads, query.dtype)
    sentences, width = packing.packed.shape

    def padded(packed: Tensor) -> Tensor:
        flat = packed.transpose(1, 2).reshape(-1, size)
        return _Unpack.apply(flat, rows, places, packing.tokens * heads).view(-1, width, size)

    whole = query.shape[2] == key.shape[2]
    queries = padded(query) if whole else query.transpose(1, 2).reshape(sentences * heads, 1, size)
    attend = plain_attention if query.device.type == "cpu" else fused_attention
    context = attend(queries, padded(key), padded(value), mask, dropout, scaling or size**-0.5)
    if whole:
        context = _Pack.apply(context.reshape(-1, size), rows, places)
    return context.view(1, -1, heads, size), None


def plain_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, rate: float, scaling: float) -> Tensor:
    """Softmax attention within each row.

    Args:
        query: shape (rows, asking, size).
        key, value: shape (rows, width, size).
        mask: added to the scores, shape (rows, 1, width).
        rate: dropout of the weights.
        scaling: factor of the scores.

    Returns:
        Shape (rows, asking, size).
    """
    scores = torch.baddbmm(mask, query, key.transpose(1, 2), alpha=scaling)
    return torch.bmm(dropout(scores.softmax(-1), rate), value)


def fused_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, rate: float, scaling: float) -> Tensor:
    """The same by torch's fused kernels, which want four dimensions and the mask in full."""
    inputs = (tensor.unsqueeze(0) for tensor in (query, key, value))
    whole = mask.expand(-1, query.shape[1], -1)[None]
    return nn.functional.scaled_dot_product_attention(*inputs, whole, rate, scale=scaling)[0]

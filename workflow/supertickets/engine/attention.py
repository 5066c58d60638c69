"""Sentences of a batch one after another, without padding between them.

All of an encoder but attention treats each token by itself, so a batch is one row of its sentences' tokens, and no
padding is multiplied by any matrix. Attention puts each head's tokens in rows and back, rows of one length for those of
similar length, so that a batch of any sentences pads little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from supertickets.engine.dropout import dropout

#: The name under which transformers finds :func:`packed_attention`.
NAME = "packed"
#: Attention scores of a head that one more group must spare: fewer cost less than its operations' start.
SPARED = 2**14


@dataclass
class Packing:
    """Where the tokens of a batch are.

    Packed, there are n sentences' tokens and at least one null token behind them, which belongs to no sentence. For
    attention, sentences are padded in groups of similar length: each has a row of its group's width, in which places
    behind its end hold the first null token.

    Attributes:
        shapes: rows and width of each group.
        order: the sentences, group after group, shape (n,).
        padded: for each place of all groups, one after another, the packed token it holds.
        places: for each packed token its place, shape (tokens,); any for null tokens.
        columns, widths: for each packed token its number in the sentence, and its group's width; 0 for null tokens.
        starts: each sentence's first packed token, shape (n,).
        tokens: how many packed tokens belong to sentences.
    """

    shapes: list[tuple[int, int]]
    order: Tensor
    padded: Tensor
    places: Tensor
    columns: Tensor
    widths: Tensor
    starts: Tensor
    tokens: int
    _by_heads: dict[int, tuple[Tensor, Tensor, list[Tensor]]] = field(default_factory=dict)

    @property
    def lengths(self) -> Tensor:
        """Tokens of each sentence, shape (n,)."""
        ends = torch.cat([self.starts[1:], self.starts.new_full((1,), self.tokens)])
        return ends - self.starts

    @property
    def sentences(self) -> Tensor:
        """The sentence of each packed token that has one, shape (tokens of sentences,)."""
        numbers = torch.arange(len(self.starts), device=self.starts.device)
        return numbers.repeat_interleave(self.lengths, output_size=self.tokens)

    def rows(self) -> tuple[Tensor, Tensor]:
        """For a model that wants padding: the packed token at each place of (n, longest), and whether there is one."""
        place = torch.arange(max(width for _, width in self.shapes), device=self.starts.device)
        real = place < self.lengths[:, None]
        return torch.where(real, self.starts[:, None] + place, self.tokens), real

    def by_heads(self, heads: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The same for a layer with some number of heads, which are further rows.

        Returns:
            For each place the row of packed tokens of shape (tokens * heads, head size); for each of those the place;
            and of each group what is added to attention scores, shape (rows * heads, 1, width): -infinity for null.
        """
        if heads not in self._by_heads:
            head = torch.arange(heads, device=self.padded.device)
            rows, masks = [], []
            for part, (count, width) in zip(self.padded.split(self.sizes), self.shapes, strict=True):
                tokens = part.view(count, 1, width)
                rows.append((tokens * heads + head[:, None]).flatten())
                null = torch.zeros(tokens.shape, dtype=dtype, device=tokens.device)
                null.masked_fill_(tokens >= self.tokens, -math.inf)
                masks.append(null.repeat_interleave(heads, dim=0))
            places = (self.places - self.columns)[:, None] * heads + head * self.widths[:, None] + self.columns[:, None]
            self._by_heads[heads] = (torch.cat(rows), places.flatten(), masks)
        return self._by_heads[heads]

    @property
    def sizes(self) -> list[int]:
        """Places of each group."""
        return [count * width for count, width in self.shapes]


def pack(lengths: np.ndarray, round_to: int, grouped: bool) -> tuple[list[tuple[int, int]], int, list[np.ndarray]]:
    """Indices of a :class:`Packing`.

    Args:
        lengths: tokens of each sentence, shape (n,).
        round_to: the number of packed tokens is rounded up to a multiple of it, and widths to one of it or of 8,
            whichever is less.
        grouped: whether attention may pad sentences in several groups.

    Returns:
        ``shapes``, the number of packed tokens with null tokens, and ``order``, ``padded``, ``places``, ``widths``.
    """
    multiple = min(round_to, 8)
    tokens = int(lengths.sum())
    total = -(-(tokens + 1) // round_to) * round_to
    order, rounded = np.argsort(lengths, kind="stable"), -(-lengths // multiple) * multiple
    counts = _groups(rounded[order]) if grouped else [len(order)]
    if len(counts) == 1:
        order = np.arange(len(lengths))
    ends = np.cumsum(counts)
    shapes = [(count, int(rounded[order[end - count : end]].max())) for count, end in zip(counts, ends, strict=True)]
    starts = np.cumsum(lengths) - lengths
    padded, places, widths, begin = [], np.zeros(total, dtype=np.int64), np.zeros(total, dtype=np.int64), 0
    for (count, width), end in zip(shapes, ends, strict=True):
        members = order[end - count : end]
        column = np.arange(width)
        held = np.where(column < lengths[members, None], starts[members, None] + column, tokens)
        real = np.flatnonzero(held < tokens)
        places[held.ravel()[real]] = begin + real
        widths[held.ravel()[real]] = width
        padded.append(held.ravel())
        begin += count * width
    return shapes, total, [order, np.concatenate(padded), places, widths]


def _groups(widths: np.ndarray) -> list[int]:
    """How many sentences each group has: halves, and halves of halves, as long as that spares enough padding.

    Args:
        widths: length of each sentence, ascending.
    """
    half = len(widths) // 2
    if len(widths) < 2 or len(widths) * widths[-1] ** 2 < SPARED:  # there is not so much to spare
        return [len(widths)]
    parts = [_groups(widths[:half]), _groups(widths[half:])]
    counts = [*parts[0], *parts[1]]
    ends = np.cumsum(counts)
    split = sum(count * int(widths[end - 1]) ** 2 for count, end in zip(counts, ends, strict=True))
    worth = len(widths) * int(widths[-1]) ** 2 - split >= SPARED * (len(counts) - 1)
    return counts if worth else [len(widths)]


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
    sliding_window: int | None = None,
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
        sliding_window: tokens attend to those that are nearer than this; None for all.

    Returns:
        Context vectors, shape (1, tokens or n, heads, head size), and no weights.
    """
    heads, size = key.shape[1], key.shape[3]
    rows, places, masks = packing.by_heads(heads, query.dtype)
    sizes = [count * heads for count in packing.sizes]

    def padded(packed: Tensor) -> tuple[Tensor, ...]:
        flat = packed.transpose(1, 2).reshape(-1, size)
        return _Unpack.apply(flat, rows, places, packing.tokens * heads).split(sizes)

    whole = query.shape[2] == key.shape[2]
    if whole:
        queries = padded(query)
    else:
        first = query[0].transpose(0, 1).index_select(0, packing.order).reshape(-1, size)
        queries = first.split([count * heads for count, _ in packing.shapes])
    attend = plain_attention if query.device.type == "cpu" else fused_attention
    contexts = []
    for one, keys, values, mask in zip(queries, padded(key), padded(value), masks, strict=True):
        one, keys, values = (part.view(len(mask), -1, size) for part in (one, keys, values))
        if sliding_window is not None and sliding_window < mask.shape[2]:
            mask = mask + _outside(mask.shape[2], sliding_window, mask)
        contexts.append(attend(one, keys, values, mask, dropout, scaling or size**-0.5).reshape(-1, size))
    context = contexts[0] if len(contexts) == 1 else torch.cat(contexts)
    if whole:
        return _Pack.apply(context, rows, places).view(1, -1, heads, size), None
    back = packing.order.argsort()
    return context.view(-1, heads, size).index_select(0, back)[None], None


def _outside(width: int, window: int, mask: Tensor) -> Tensor:
    """What is added to the scores of tokens that are too far away, shape (width, width).

    Not minus infinity: a null token may see null tokens alone, and would become not-a-number.
    """
    place = torch.arange(width, device=mask.device)
    far = (place[:, None] - place).abs() >= window
    return torch.zeros(width, width, dtype=mask.dtype, device=mask.device).masked_fill_(far, -1e30)


def plain_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, rate: float, scaling: float) -> Tensor:
    """Softmax attention within each row.

    Args:
        query: shape (rows, asking, size).
        key, value: shape (rows, width, size).
        mask: added to the scores, shape (rows, 1, width) or (rows, width, width).
        rate: dropout of the weights.
        scaling: factor of the scores.

    Returns:
        Shape (rows, asking, size).
    """
    scores = torch.baddbmm(mask, query, key.transpose(1, 2), alpha=scaling)
    return torch.bmm(dropout(scores.softmax(-1), rate), value)


def fused_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, rate: float, scaling: float) -> Tensor:
    """The same by torch's fused kernels, which want four dimensions and the mask in full."""
    whole = mask.expand(-1, query.shape[1], -1)[None]
    return nn.functional.scaled_dot_product_attention(query[None], key[None], value[None], whole, rate, scale=scaling)[
        0
    ]

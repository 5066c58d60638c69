"""Attention over packed sentences: the sentences of a batch follow each other without padding.

All parts of an encoder except attention process each token alone. A batch is therefore one row of its sentences'
tokens, and no matrix multiplies padding. Attention arranges each head's tokens in padded rows and back. Sentences of
similar length have rows of the same width, so that any batch needs little padding.
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
#: Attention scores of a head that another group must spare to be worth the cost of starting its operations.
SPARED = 2**14


@dataclass
class Packing:
    """Positions of the tokens of a batch.

    The packed tokens are the tokens of n sentences, followed by at least one null token, which belongs to no sentence.
    For attention, sentences are padded in groups of similar length. Each sentence has a row of its group's width; the
    places after its end hold the first null token.

    Attributes:
        shapes: number of rows and width of each group.
        order: the sentences, ordered by group, shape (n,).
        padded: the packed token at each place, for the places of all groups in order.
        places: the place of each packed token, shape (tokens,); arbitrary for null tokens.
        columns, widths: each packed token's position in its sentence, and the width of its group; 0 for null tokens.
        starts: the first packed token of each sentence, shape (n,).
        tokens: number of packed tokens that belong to sentences.
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
        """Number of tokens of each sentence, shape (n,)."""
        ends = torch.cat([self.starts[1:], self.starts.new_full((1,), self.tokens)])
        return ends - self.starts

    @property
    def sentences(self) -> Tensor:
        """The sentence of each packed token, without null tokens, shape (tokens of sentences,)."""
        numbers = torch.arange(len(self.starts), device=self.starts.device)
        return numbers.repeat_interleave(self.lengths, output_size=self.tokens)

    def rows(self) -> tuple[Tensor, Tensor]:
        """Indices for padded rows: the packed token at each place of (n, longest), and whether it is a real token."""
        place = torch.arange(max(width for _, width in self.shapes), device=self.starts.device)
        real = place < self.lengths[:, None]
        return torch.where(real, self.starts[:, None] + place, self.tokens), real

    def by_heads(self, heads: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Indices for a layer with some number of heads, each of which has its own rows.

        Returns:
            For each place, its row in the packed tokens of shape (tokens * heads, head size); for each of these rows,
            its place; and for each group, the mask that is added to attention scores, shape (rows * heads, 1, width),
            -infinity for null tokens.
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
        """Number of places of each group."""
        return [count * width for count, width in self.shapes]


def pack(lengths: np.ndarray, round_to: int, grouped: bool) -> tuple[list[tuple[int, int]], int, list[np.ndarray]]:
    """Compute the indices of a :class:`Packing`.

    Args:
        lengths: number of tokens of each sentence, shape (n,).
        round_to: the number of packed tokens is rounded up to a multiple of this. Widths are rounded up to a multiple
            of this or of 8, whichever is less.
        grouped: whether attention may pad sentences in several groups.

    Returns:
        ``shapes``, the number of packed tokens including null tokens, and ``order``, ``padded``, ``places`` and
        ``widths``.
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
        tokens_at = np.where(column < lengths[members, None], starts[members, None] + column, tokens)
        real = np.flatnonzero(tokens_at < tokens)
        places[tokens_at.ravel()[real]] = begin + real
        widths[tokens_at.ravel()[real]] = width
        padded.append(tokens_at.ravel())
        begin += count * width
    return shapes, total, [order, np.concatenate(padded), places, widths]


def _groups(widths: np.ndarray) -> list[int]:
    """Sizes of the groups: sentences are halved again and again, as long as this spares enough padding.

    Args:
        widths: length of each sentence, ascending.
    """
    half = len(widths) // 2
    if len(widths) < 2 or len(widths) * widths[-1] ** 2 < SPARED:  # there is too little to spare
        return [len(widths)]
    parts = [_groups(widths[:half]), _groups(widths[half:])]
    counts = [*parts[0], *parts[1]]
    ends = np.cumsum(counts)
    split = sum(count * int(widths[end - 1]) ** 2 for count, end in zip(counts, ends, strict=True))
    worth = len(widths) * int(widths[-1]) ** 2 - split >= SPARED * (len(counts) - 1)
    return counts if worth else [len(widths)]


class _Unpack(torch.autograd.Function):
    """Move rows of packed tokens to padded places. Null tokens get no gradient."""

    @staticmethod
    def forward(context: Any, values: Tensor, rows: Tensor, places: Tensor, real: int) -> Tensor:
        context.save_for_backward(places)
        context.real = real
        return values.index_select(0, rows)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        packed = gradient.index_select(0, context.saved_tensors[0])
        packed[context.real :] = 0
        return packed, None, None, None


class _Pack(torch.autograd.Function):
    """Move padded places to rows of packed tokens. Padding is not copied; its gradient is zero, as of null tokens."""

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
    """An attention function for transformers: every token attends to the tokens of its own sentence.

    Args:
        module: unused.
        query: shape (1, heads, tokens, head size); or (1, heads, n, head size) for the first token of each sentence
            only.
        key, value: shape (1, heads, tokens, head size).
        attention_mask: None; the packing separates sentences.
        packing: the packing of the batch.
        dropout: share of the attention weights to drop.
        scaling: factor of the scores.
        sliding_window: tokens attend to tokens at a distance below this; None for all.

    Returns:
        Context vectors, shape (1, tokens or n, heads, head size), and None in place of attention weights.
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
    for asking, keys, values, mask in zip(queries, padded(key), padded(value), masks, strict=True):
        asked, seen, taken = (part.view(len(mask), -1, size) for part in (asking, keys, values))
        if sliding_window is not None and sliding_window < mask.shape[2]:
            mask = mask + _window_mask(mask.shape[2], sliding_window, mask)
        contexts.append(attend(asked, seen, taken, mask, dropout, scaling or size**-0.5).reshape(-1, size))
    context = contexts[0] if len(contexts) == 1 else torch.cat(contexts)
    if whole:
        return _Pack.apply(context, rows, places).view(1, -1, heads, size), None
    back = packing.order.argsort()
    return context.view(-1, heads, size).index_select(0, back)[None], None


def _window_mask(width: int, window: int, mask: Tensor) -> Tensor:
    """A mask that lowers the scores of tokens outside the window, shape (width, width).

    It is finite because a null token may attend to null tokens only; -infinity would make it NaN.
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
    """:func:`plain_attention` with torch's fused kernels, which need four dimensions and an expanded mask."""
    whole = mask.expand(-1, query.shape[1], -1)[None]
    attend = nn.functional.scaled_dot_product_attention
    return attend(query[None], key[None], value[None], whole, rate, scale=scaling)[0]

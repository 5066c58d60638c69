"""Winning tickets keep the units with the highest scores."""

from __future__ import annotations

import numpy as np

from supertickets.encoder.ticket import Ticket


def keep(
    head_scores: np.ndarray, ffn_scores: np.ndarray, n_heads: int, n_ffn: int, random: np.random.Generator
) -> Ticket:
    """Prune the units with the lowest scores of the whole model, except the best head of each layer.

    Ties are broken by layer, then head, so that a larger count always prunes a superset.

    Args:
        head_scores: importance of each head, shape (layers, heads).
        ffn_scores: importance of each feed-forward block, shape (layers,).
        n_heads, n_ffn: numbers of heads and of blocks to prune.
        random: generator of the random kinds; not used by this kind.
    """
    layers, heads = head_scores.shape
    kept = np.ones((layers, heads), dtype=bool)
    best = head_scores.argmax(axis=1)
    order = [unit for unit in np.argsort(head_scores, axis=None, kind="stable") if best[unit // heads] != unit % heads]
    kept.flat[order[:n_heads]] = False
    kept_ffn = sorted(int(layer) for layer in np.argsort(ffn_scores, kind="stable")[n_ffn:])
    return Ticket(tuple(tuple(np.flatnonzero(row).tolist()) for row in kept), tuple(kept_ffn), heads)

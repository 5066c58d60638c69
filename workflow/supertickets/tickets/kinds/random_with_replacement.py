"""Random tickets as the published code draws them."""

from __future__ import annotations

import numpy as np

from supertickets.encoder.ticket import Ticket
from supertickets.tickets.kinds.winning import keep as keep_highest


def keep(
    head_scores: np.ndarray, ffn_scores: np.ndarray, n_heads: int, n_ffn: int, random: np.random.Generator
) -> Ticket:
    """Prune units drawn with replacement, as the published code does.

    A unit drawn twice is pruned once, so fewer units are pruned than the ratio says: of 144 heads about 57 instead of
    72. This kind is for comparison with published curves only. One randomly drawn head of each layer stays. The
    arguments are those of the winning ticket.
    """
    layers, heads = head_scores.shape
    # Drawn for all ratios at once: a larger count prunes a superset, except where a layer would lose its last head.
    drawn_heads = set(random.integers(layers * heads, size=layers * heads)[:n_heads].tolist())
    drawn_ffn = set(random.integers(layers, size=(layers,))[:n_ffn].tolist())
    order, blocks = random.random(head_scores.shape), random.random(ffn_scores.shape)
    order.flat[list(drawn_heads)] -= 1  # drawn units are pruned first
    blocks[list(drawn_ffn)] -= 1
    return keep_highest(order, blocks, len(drawn_heads), len(drawn_ffn), random)

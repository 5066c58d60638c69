"""Random tickets as the published code draws them."""

from __future__ import annotations

import numpy as np

from supertickets.encoder.ticket import Ticket
from supertickets.tickets.kinds.winning import keep as keep_highest


def keep(
    head_scores: np.ndarray, ffn_scores: np.ndarray, n_heads: int, n_ffn: int, random: np.random.Generator
) -> Ticket:
    """Prune units drawn with replacement, as the published code does; arguments as of the winning ticket.

    A unit drawn twice is pruned once, so that less is pruned than the ratio says: of 144 heads about 57 for 72. For
    comparison with published curves alone. One head of each layer, drawn too, stays.
    """
    layers, heads = head_scores.shape
    # Drawn for all ratios at once: a larger count prunes a superset, but where a layer would lose its last head.
    drawn_heads = set(random.integers(layers * heads, size=layers * heads)[:n_heads].tolist())
    drawn_ffn = set(random.integers(layers, size=(layers,))[:n_ffn].tolist())
    order, blocks = random.random(head_scores.shape), random.random(ffn_scores.shape)
    order.flat[list(drawn_heads)] -= 1  # what was drawn goes first
    blocks[list(drawn_ffn)] -= 1
    return keep_highest(order, blocks, len(drawn_heads), len(drawn_ffn), random)

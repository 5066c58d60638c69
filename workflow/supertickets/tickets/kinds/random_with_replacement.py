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
    72. Where there are more layers than heads in a layer, heads of the last layers are never drawn: the number of a
    head is divided by that of layers to find its layer, so of 24 layers with 16 heads each 16 have heads to draw, half
    of which are drawn twice as often. This kind is for comparison with published curves only. The published code keeps
    no head of a layer on purpose. No encoder can be cut to that, so one stays of a layer whose heads are all drawn, and
    another head goes in its place. The arguments are those of the winning ticket.
    """
    layers, heads = head_scores.shape
    # Drawn for all ratios at once: a larger count prunes a superset, except where a layer would lose its last head.
    numbers = random.integers(layers * heads, size=layers * heads)[:n_heads]
    drawn_heads = set((numbers // max(layers, heads) * heads + numbers % heads).tolist())
    drawn_ffn = set(random.integers(layers, size=(layers,))[:n_ffn].tolist())
    order, blocks = random.random(head_scores.shape), random.random(ffn_scores.shape)
    order.flat[list(drawn_heads)] -= 1  # drawn units are pruned first
    blocks[list(drawn_ffn)] -= 1
    return keep_highest(order, blocks, len(drawn_heads), len(drawn_ffn), random)

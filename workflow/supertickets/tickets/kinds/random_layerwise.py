"""Random tickets in the winning ticket's layer profile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from supertickets.encoder.ticket import Ticket
from supertickets.tickets.kinds.winning import keep as keep_highest


def keep(
    head_scores: np.ndarray, ffn_scores: np.ndarray, n_heads: int, n_ffn: int, random: np.random.Generator
) -> Ticket:
    """Random heads in the winning ticket's layer profile; arguments as of the winning ticket.

    Every layer keeps as many heads as in the winning ticket, and the same feed-forward blocks are pruned: what differs
    is which heads of a layer stay.
    """
    profile = keep_highest(head_scores, ffn_scores, n_heads, n_ffn, random)
    order = random.random(head_scores.shape).argsort(axis=1)
    heads = tuple(tuple(sorted(row[: len(kept)].tolist())) for row, kept in zip(order, profile.heads, strict=True))
    return replace(profile, heads=heads)

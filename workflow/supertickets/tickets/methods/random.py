"""Importance at random."""

from __future__ import annotations

from supertickets.tickets.importance_table import RawScores
from supertickets.tickets.sample import Sample


def score(sample: Sample) -> RawScores:
    """Random scores, uniform between 0 and 1."""
    ticket = sample.model.ticket
    return [sample.random.random(len(kept)) for kept in ticket.heads], sample.random.random(len(ticket.ffn))

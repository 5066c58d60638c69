"""Normalize, write and read the importance scores of units."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from supertickets.encoder.ticket import Ticket
from supertickets.errors import DamagedError, reading
from supertickets.files import replacing

#: Raw scores of a model's units: an array for each layer's heads, and an array for the feed-forward blocks.
RawScores = tuple[list[np.ndarray], np.ndarray]


def normalize(heads: list[np.ndarray], ffn: np.ndarray) -> RawScores:
    """Divide head scores by the l2 norm of their layer's scores, FFN scores by the l2 norm of all FFN scores.

    This is the published normalization. Scores that are all zero stay zero.
    """
    *heads, ffn = (scores / (np.linalg.norm(scores) or 1.0) for scores in [*heads, ffn])
    return heads, ffn


def write_importance(path: Path, ticket: Ticket, scores: dict[str, RawScores]) -> None:
    """Write raw and normalized scores, with the columns method, kind (head or ffn), layer, head, score, normalized.

    Args:
        path: CSV file to write.
        ticket: the units that the scored model has.
        scores: raw scores by method.
    """
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["method", "kind", "layer", "head", "score", "normalized"])
        for method, raw in scores.items():
            heads, ffn = (np.concatenate(raw[0]), raw[1])
            normal_heads, normal_ffn = normalize(*raw)
            values = zip([*heads, *ffn], [*np.concatenate(normal_heads), *normal_ffn], strict=True)
            for unit, (score, normalized) in zip(ticket.units(), values, strict=True):
                table.writerow([method, *unit, float(score), float(normalized)])


def read_importance(path: Path, method: str, ticket: Ticket) -> dict[str, np.ndarray]:
    """Read the normalized scores of one method: ``head`` of shape (layers, heads), ``ffn`` of shape (layers,).

    The score of a unit that the scored model no longer has is minus infinity.

    Args:
        path: ``importance.csv``.
        method: a module of :mod:`supertickets.tickets.methods`.
        ticket: the units that the scored model has.

    Raises:
        UserError: the file is damaged, or its units are not those of the ticket.
    """
    layers = len(ticket.heads)
    scores = {"head": np.full((layers, ticket.heads_per_layer), -np.inf), "ffn": np.full(layers, -np.inf)}
    units = []
    with reading(path, "a table of importance scores"), path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["method"] == method:
                kind, layer = row["kind"], int(row["layer"])
                head = int(row["head"]) if row["head"] else ""
                scores[kind][(layer, int(head)) if kind == "head" else layer] = float(row["normalized"])
                units.append((kind, layer, head))
    if units != list(ticket.units()):
        raise DamagedError(path, f"{len(units)} units have a {method} score, expected {len(list(ticket.units()))}")
    return scores

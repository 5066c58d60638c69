"""Draw tickets: how many units a ratio prunes, and which, by kind."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from supertickets.encoder.ticket import Shape, Ticket
from supertickets.files import write_json
from supertickets.seeds import generator
from supertickets.tickets.importance_table import read_importance

#: How many FFN blocks a ratio prunes, by rule, as (factor, divisor) of ``ratio * layers``.
#: ``share`` is the plain share. ``decile`` is the published code's: 10 x ratio of 12 layers, 20 x ratio of 24.
FFN_RULES = {"share": (1, 1), "decile": (10, 12)}


def prune_counts(ratio: float, layers: int, heads: int, ffn_rule: str, units: str = "both") -> tuple[int, int]:
    """How many heads and FFN blocks a ratio prunes.

    Heads: ``floor(ratio * layers * heads)``, at most all but one per layer. FFN blocks: ``floor`` of the share
    that ``ffn_rule`` names (see :data:`FFN_RULES`). Computed in whole hundredths, so 0.29 of 100 is 29.

    Args:
        ratio: pruning ratio from 0 to 1, two decimals.
        layers, heads: layers of the encoder, heads per layer.
        ffn_rule: a key of :data:`FFN_RULES`.
        units: which may be pruned: ``both``, ``heads`` or ``ffn``.
    """
    hundredths = round(ratio * 100)
    factor, divisor = FFN_RULES[ffn_rule]
    n_heads = min(hundredths * layers * heads // 100, layers * (heads - 1))
    n_ffn = min(hundredths * layers * factor // (100 * divisor), layers)
    return n_heads * (units != "ffn"), n_ffn * (units != "heads")


def kind_of(like: str) -> Callable[..., Ticket]:
    """How a kind of ticket is drawn from normalized scores, counts and a generator."""
    return import_module(f"supertickets.tickets.kinds.{like}").keep


def draw(
    like: str,
    ratio: float,
    scores: Mapping[str, np.ndarray],
    ffn_rule: str,
    random: np.random.Generator,
    units: str = "both",
) -> Ticket:
    """The ticket of a kind at a ratio.

    Args:
        like: a module of :mod:`supertickets.tickets.kinds`.
        ratio: pruning ratio.
        scores: normalized importance: ``head`` of shape (layers, heads), ``ffn`` of shape (layers,).
        ffn_rule: a key of :data:`FFN_RULES`.
        random: source of the random kinds.
        units: which may be pruned: ``both``, ``heads`` or ``ffn``.
    """
    layers, heads = scores["head"].shape
    n_heads, n_ffn = prune_counts(ratio, layers, heads, ffn_rule, units)
    return kind_of(like)(scores["head"], scores["ffn"], n_heads, n_ffn, random)


def prune(
    importance: Path,
    shape: Path,
    run: dict[str, Any],
    settings: dict[str, Any],
    ticket: Path,
    previous: Path | None = None,
) -> None:
    """Write the ticket of one kind and ratio.

    Args:
        importance: ``importance.csv`` of the model that is pruned.
        shape: ``shape.json`` of the encoder.
        run: what the ticket is for: model, task, train_size, seed, kind, ratio, draw.
        settings: the kind's ``like``, ``importance``, ``weights``, ``units``, ``steps`` and ``ffn_rule``, and the
            task's number of ``outputs``.
        ticket: JSON file to write: kept units, counts, weight remaining, and what it came from.
        previous: the ticket of the step before, which this one prunes further; None for the full model.

    Raises:
        UserError: the scores are broken or are not of this encoder's, or the previous ticket's, units.
    """
    dimensions = Shape.read(shape, settings["outputs"])
    scored = Ticket.read(previous) if previous else Ticket.full(dimensions.layers, dimensions.heads)
    scored.require_dimensions(dimensions.layers, dimensions.heads, str(previous))
    scores = read_importance(importance, settings["importance"], scored)
    # Not of the ratio: random tickets of one draw are nested, as winning tickets are.
    random = generator(run["seed"], f"ticket {run['model']} {run['task']} {run['kind']} {run['draw']}")
    drawn = draw(settings["like"], run["ratio"], scores, settings["ffn_rule"], random, settings["units"])
    how = {key: value for key, value in settings.items() if key != "outputs"}
    content = drawn.as_json() | {
        "heads_pruned": drawn.heads_pruned,
        "ffn_pruned": drawn.ffn_pruned,
        "weight_remaining": drawn.weight_remaining(dimensions),
        "origin": {**run, "pruning": how, "scores_sha256": _digest(scores)},
    }
    write_json(ticket, content)


def _digest(scores: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the scores that a ticket was drawn from, whatever else their file holds."""
    return hashlib.sha256(b"".join(scores[name].tobytes() for name in sorted(scores))).hexdigest()

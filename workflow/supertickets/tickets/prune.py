"""Draw tickets: the number of units that a ratio prunes, and the units that each kind prunes."""

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

#: Rules for the number of FFN blocks that a ratio prunes, as (factor, divisor) of ``ratio * layers``.
#: ``share`` is the plain share. ``decile`` is the published code's rule: 10 x ratio of 12 layers, 20 x ratio of 24.
FFN_RULES = {"share": (1, 1), "decile": (10, 12)}


def prune_counts(ratio: float, layers: int, heads: int, ffn_rule: str, units: str = "both") -> tuple[int, int]:
    """The numbers of heads and of FFN blocks that a ratio prunes.

    Heads: ``floor(ratio * layers * heads)``, at most all but one per layer. FFN blocks: ``floor`` of the share
    that ``ffn_rule`` names (see :data:`FFN_RULES`). Both are computed in whole hundredths, so 0.29 of 100 is 29.

    Args:
        ratio: pruning ratio from 0 to 1, two decimals.
        layers, heads: layers of the encoder, and heads per layer.
        ffn_rule: a key of :data:`FFN_RULES`.
        units: the units that may be pruned: ``both``, ``heads`` or ``ffn``.
    """
    hundredths = round(ratio * 100)
    factor, divisor = FFN_RULES[ffn_rule]
    n_heads = min(hundredths * layers * heads // 100, layers * (heads - 1))
    n_ffn = min(hundredths * layers * factor // (100 * divisor), layers)
    return n_heads * (units != "ffn"), n_ffn * (units != "heads")


def kind_of(like: str) -> Callable[..., Ticket]:
    """The function that draws a kind of ticket from normalized scores, counts and a generator."""
    return import_module(f"supertickets.tickets.kinds.{like}").keep


def draw(
    like: str,
    ratio: float,
    scores: Mapping[str, np.ndarray],
    ffn_rule: str,
    random: np.random.Generator,
    units: str = "both",
) -> Ticket:
    """Draw the ticket of a kind at a ratio.

    Args:
        like: a module of :mod:`supertickets.tickets.kinds`.
        ratio: pruning ratio.
        scores: normalized importance: ``head`` of shape (layers, heads), ``ffn`` of shape (layers,).
        ffn_rule: a key of :data:`FFN_RULES`.
        random: generator of the random kinds.
        units: the units that may be pruned: ``both``, ``heads`` or ``ffn``.
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
        importance: ``importance.csv`` of the model to prune.
        shape: ``shape.json`` of the encoder.
        run: the run that the ticket is for: model, task, train_size, seed, kind, ratio, draw.
        settings: the kind's ``like``, ``importance``, ``weights``, ``units``, ``steps`` and ``ffn_rule``, and the
            task's number of ``outputs``.
        ticket: JSON file to write: kept units, counts, weight remaining, and the origin of the ticket.
        previous: the ticket of the previous step, which this one prunes further; None for the full model.

    Raises:
        UserError: the scores are broken, or not those of the units of this encoder, or of the previous ticket.
    """
    dimensions = Shape.read(shape, settings["outputs"])
    scored = Ticket.read(previous) if previous else Ticket.full(dimensions.layers, dimensions.heads)
    scores = read_importance(importance, settings["importance"], scored)
    # Independent of the ratio, so that random tickets of one draw are nested, as winning tickets are.
    random = generator(run["seed"], f"ticket {run['model']} {run['task']} {run['kind']} {run['draw']}")
    drawn = draw(settings["like"], run["ratio"], scores, settings["ffn_rule"], random, settings["units"])
    pruning = {key: value for key, value in settings.items() if key != "outputs"}
    record = drawn.as_json() | {
        "heads_pruned": drawn.heads_pruned,
        "ffn_pruned": drawn.ffn_pruned,
        "weight_remaining": drawn.weight_remaining(dimensions),
        "origin": {**run, "pruning": pruning, "scores_sha256": _digest(scores)},
    }
    write_json(ticket, record)


def _digest(scores: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the scores that a ticket is drawn from, independent of other scores in their file."""
    return hashlib.sha256(b"".join(scores[name].tobytes() for name in sorted(scores))).hexdigest()

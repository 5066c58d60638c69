"""Draw tickets: how many units a ratio prunes, and which, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .files import sha256, write_json
from .importance import read_importance
from .seeds import generator
from .tickets import Shape, Ticket

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


def winning(
    head_scores: np.ndarray, ffn_scores: np.ndarray, n_heads: int, n_ffn: int, random: np.random.Generator
) -> Ticket:
    """Prune the units with the lowest scores over the whole model, the best head of each layer excepted.

    Args:
        head_scores: importance of each head, shape (layers, heads).
        ffn_scores: importance of each feed-forward block, shape (layers,).
        n_heads, n_ffn: how many to prune.
        random: where a kind draws from; not used by this one.

    Ties are broken by layer, then head, so that a larger count always prunes a superset.
    """
    layers, heads = head_scores.shape
    kept = np.ones((layers, heads), dtype=bool)
    best = head_scores.argmax(axis=1)
    order = [unit for unit in np.argsort(head_scores, axis=None, kind="stable") if best[unit // heads] != unit % heads]
    kept.flat[order[:n_heads]] = False
    kept_ffn = sorted(int(layer) for layer in np.argsort(ffn_scores, kind="stable")[n_ffn:])
    return Ticket(tuple(tuple(np.flatnonzero(row).tolist()) for row in kept), tuple(kept_ffn), heads)


def losing(
    head_scores: np.ndarray, ffn_scores: np.ndarray, n_heads: int, n_ffn: int, random: np.random.Generator
) -> Ticket:
    """Prune the units with the highest scores, the worst head of each layer excepted; arguments as of the winning."""
    return winning(-head_scores, -ffn_scores, n_heads, n_ffn, random)


def random_units(
    head_scores: np.ndarray, ffn_scores: np.ndarray, n_heads: int, n_ffn: int, random: np.random.Generator
) -> Ticket:
    """Prune units at random, without replacement; arguments as of the winning ticket, scores count by shape only.

    One head of each layer, drawn too, stays. Larger counts from an equal generator prune a superset.
    """
    return winning(random.random(head_scores.shape), random.random(ffn_scores.shape), n_heads, n_ffn, random)


def random_layerwise(
    head_scores: np.ndarray, ffn_scores: np.ndarray, n_heads: int, n_ffn: int, random: np.random.Generator
) -> Ticket:
    """Random heads in the winning ticket's layer profile; arguments as of the winning ticket.

    Every layer keeps as many heads as in the winning ticket, and the same feed-forward blocks are pruned: what differs
    is which heads of a layer stay.
    """
    profile = winning(head_scores, ffn_scores, n_heads, n_ffn, random)
    order = random.random(head_scores.shape).argsort(axis=1)
    heads = tuple(tuple(sorted(row[: len(kept)].tolist())) for row, kept in zip(order, profile.heads, strict=True))
    return replace(profile, heads=heads)


def random_with_replacement(
    head_scores: np.ndarray, ffn_scores: np.ndarray, n_heads: int, n_ffn: int, random: np.random.Generator
) -> Ticket:
    """Prune units drawn with replacement, as the published code does; arguments as of the winning ticket.

    A unit drawn twice is pruned once, so that less is pruned than the ratio says: of 144 heads about 57 for 72. For
    comparison with published curves alone. One head of each layer, drawn too, stays.
    """
    layers, heads = head_scores.shape
    # Drawn for all ratios at once: a larger count prunes a superset, but where a layer would lose its last head.
    drawn_heads = set(random.integers(layers * heads, size=layers * heads)[:n_heads].tolist())
    drawn_ffn = set(random.integers(layers, size=layers)[:n_ffn].tolist())
    order, blocks = random.random(head_scores.shape), random.random(ffn_scores.shape)
    order.flat[list(drawn_heads)] -= 1  # what was drawn goes first
    blocks[list(drawn_ffn)] -= 1
    return winning(order, blocks, len(drawn_heads), len(drawn_ffn), random)


#: How a ticket of each kind is drawn from the normalized scores, the counts and a generator.
KINDS = {
    "winning": winning,
    "losing": losing,
    "random": random_units,
    "random_layerwise": random_layerwise,
    "random_with_replacement": random_with_replacement,
}


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
        like: a key of :data:`KINDS`.
        ratio: pruning ratio.
        scores: normalized importance: ``head`` of shape (layers, heads), ``ffn`` of shape (layers,).
        ffn_rule: a key of :data:`FFN_RULES`.
        random: source of the random kinds.
        units: which may be pruned: ``both``, ``heads`` or ``ffn``.
    """
    layers, heads = scores["head"].shape
    n_heads, n_ffn = prune_counts(ratio, layers, heads, ffn_rule, units)
    return KINDS[like](scores["head"], scores["ffn"], n_heads, n_ffn, random)


def draw_ticket(
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
        "origin": {**run, "pruning": how, "importance_sha256": sha256(importance)},
    }
    write_json(ticket, content)

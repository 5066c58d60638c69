"""Tickets: which heads and feed-forward blocks are kept, how many, and what they weigh."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DamagedError, UserError
from .files import read_json, sha256, write_json
from .importance import read_importance
from .seeds import generator

#: How many FFN blocks a ratio prunes, by rule, as (factor, divisor) of ``ratio * layers``.
#: ``share`` is the plain share. ``decile`` is the published code's: 10 x ratio of 12 layers, 20 x ratio of 24.
FFN_RULES = {"share": (1, 1), "decile": (10, 12)}

#: Layers that an encoder may have, and heads of a layer: the largest have less than a hundred. More is damage, and
#: would take memory.
MOST_UNITS = 4096


@dataclass(frozen=True)
class Shape:
    """Dimensions of an encoder with its task head.

    Attributes:
        layers: number of layers.
        heads: attention heads per layer.
        hidden: width of the hidden states (d).
        ffn: inner width of a feed-forward block (d_ff).
        parameters: all parameters, embeddings and task head included.
        head_matrices: matrices that a head has a share of (query, key, value, output), each of hidden times hidden.
        ffn_matrices: matrices of a feed-forward block, each of hidden times inner width.
    """

    layers: int
    heads: int
    hidden: int
    ffn: int
    parameters: int
    head_matrices: int = 4
    ffn_matrices: int = 2

    @classmethod
    def read(cls, path: Path, outputs: int) -> Shape:
        """Read an encoder's ``shape.json`` and add a task head with this many outputs.

        Raises:
            UserError: the file holds something else than these numbers.
        """
        content = read_json(path)
        try:
            shape = cls(**content)
        except TypeError as error:
            raise DamagedError(path, f"not the dimensions of an encoder ({error})") from error
        whole = all(type(number) is int and number > 0 for number in content.values())
        if not whole or max(shape.layers, shape.heads) > MOST_UNITS:
            raise DamagedError(path, f"not the dimensions of an encoder: {content!r:.200}")
        return replace(shape, parameters=shape.parameters + outputs * (shape.hidden + 1))


@dataclass(frozen=True)
class Ticket:
    """The units of an encoder that are kept.

    Attributes:
        heads: for each layer the indices of the kept heads, ascending; never empty.
        ffn: indices of the layers whose feed-forward block is kept, ascending.
        heads_per_layer: heads per layer of the full encoder.
    """

    heads: tuple[tuple[int, ...], ...]
    ffn: tuple[int, ...]
    heads_per_layer: int

    def __post_init__(self) -> None:
        if not 0 < self.heads_per_layer <= MOST_UNITS:
            raise UserError(f"ticket: heads_per_layer is {self.heads_per_layer:,}; it is from 1 to {MOST_UNITS:,}")
        for layer, kept in enumerate(self.heads):
            if not kept:
                raise UserError(f"ticket: layer {layer} keeps no attention head; at least one must stay")
            _check_indices(kept, self.heads_per_layer, f"heads of layer {layer}")
        _check_indices(self.ffn, len(self.heads), "ffn layers")

    def units(self) -> Iterator[tuple[str, int, int | str]]:
        """Kept units as (``head``, layer, head) and (``ffn``, layer, empty), heads first, layer by layer."""
        yield from (("head", layer, head) for layer, kept in enumerate(self.heads) for head in kept)
        yield from (("ffn", layer, "") for layer in self.ffn)

    @property
    def heads_pruned(self) -> int:
        """Number of heads that are cut."""
        return len(self.heads) * self.heads_per_layer - sum(map(len, self.heads))

    @property
    def ffn_pruned(self) -> int:
        """Number of feed-forward blocks that are cut."""
        return len(self.heads) - len(self.ffn)

    def weight_remaining(self, shape: Shape) -> float:
        """Share of the parameters left, by the published code's formula.

        ``1 - (2 d d_ff n_ffn + 4 d (d / h) n_heads) / parameters``: matrices only, the biases of cut units are
        not counted (about 0.1% of them). Source: cliang1453/super-structured-lottery-tickets. The 2 and the 4 are
        BERT's numbers of matrices.
        """
        cut_ffn = shape.ffn_matrices * shape.hidden * shape.ffn * self.ffn_pruned
        cut_heads = shape.head_matrices * shape.hidden * (shape.hidden // shape.heads) * self.heads_pruned
        return 1 - (cut_ffn + cut_heads) / shape.parameters

    def as_json(self) -> dict[str, Any]:
        """Kept units as plain lists."""
        return {
            "heads_per_layer": self.heads_per_layer,
            "heads": [list(kept) for kept in self.heads],
            "ffn": list(self.ffn),
        }

    @classmethod
    def full(cls, layers: int, heads: int) -> Ticket:
        """The ticket that keeps everything."""
        return cls(tuple(tuple(range(heads)) for _ in range(layers)), tuple(range(layers)), heads)

    @classmethod
    def read(cls, path: Path) -> Ticket:
        """Read a ticket file.

        Raises:
            UserError: a key is missing or a unit does not exist; names the file.
        """
        return cls.of(read_json(path), str(path))

    @classmethod
    def of(cls, content: Any, where: str) -> Ticket:
        """A ticket from the content of its file.

        Raises:
            UserError: a key is missing or a unit does not exist; names ``where`` it was read.
        """
        try:
            heads, ffn = tuple(tuple(kept) for kept in content["heads"]), tuple(content["ffn"])
            for number in (content["heads_per_layer"], *ffn, *(head for kept in heads for head in kept)):
                if type(number) is not int:  # true is 1 and 0.5 is between 0 and 1
                    raise UserError(f"{number!r:.80} is no whole number")
            return cls(heads, ffn, content["heads_per_layer"])
        except (KeyError, TypeError, UserError) as error:
            raise DamagedError(where, f"not a ticket: {error}") from error

    def require_dimensions(self, layers: int, heads: int, where: str) -> None:
        """Refuse a ticket of an encoder with other layers, or other heads per layer.

        Raises:
            UserError: names ``where`` it was read, and both encoders' numbers.
        """
        if (len(self.heads), self.heads_per_layer) != (layers, heads):
            raise UserError(
                f"{where}: it has {len(self.heads)} layers of {self.heads_per_layer} heads, the encoder {layers} of "
                f"{heads}; both must be of the same encoder"
            )

    @classmethod
    def union(cls, tickets: Sequence[Ticket]) -> Ticket:
        """What any of several tickets of one encoder keeps."""
        heads = [sorted(set().union(*kept)) for kept in zip(*(ticket.heads for ticket in tickets), strict=True)]
        ffn = sorted(set().union(*(ticket.ffn for ticket in tickets)))
        return cls(tuple(map(tuple, heads)), tuple(ffn), tickets[0].heads_per_layer)


def read_tickets(path: Path, tasks: Collection[str] = ()) -> dict[str, Ticket]:
    """The tickets in a file that has one for each of several tasks (:mod:`supertickets.share_tickets`).

    Args:
        path: the file.
        tasks: whose are wanted; all where empty.

    Raises:
        UserError: the file has none for a task, or a broken one.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise DamagedError(path, "not a ticket for each of several tasks")
    return {task: Ticket.of(content.get(task), f"{path}, task {task}") for task in tasks or content}


def require_alike(tickets: Mapping[str, Ticket]) -> None:
    """Refuse tickets of different encoders.

    Args:
        tickets: by where each was read.

    Raises:
        UserError: names one that is not of the encoder of the first.
    """
    first = next(iter(tickets.values()))
    for where, ticket in tickets.items():
        ticket.require_dimensions(len(first.heads), first.heads_per_layer, where)


def _check_indices(indices: Sequence[int], end: int, what: str) -> None:
    if list(indices) != sorted(set(indices)) or not all(0 <= index < end for index in indices):
        raise UserError(f"ticket: {what} are {list(indices)}; expected ascending numbers from 0 to {end - 1}")


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

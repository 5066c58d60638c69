"""Tickets: which heads and feed-forward blocks of an encoder are kept, and what they weigh."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from supertickets.errors import DamagedError, UserError
from supertickets.files import read_json

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
            UserError: the file holds something else than these numbers, or units with more parameters than all.
        """
        content = read_json(path)
        try:
            shape = cls(**content)
        except TypeError as error:
            raise DamagedError(path, f"not the dimensions of an encoder ({error})") from error
        whole = all(type(number) is int and number > 0 for number in content.values())
        if not whole or max(shape.layers, shape.heads) > MOST_UNITS:
            raise DamagedError(path, f"not the dimensions of an encoder: {content!r:.200}")
        block, heads = shape.ffn_matrices * shape.hidden * shape.ffn, shape.head_matrices * shape.hidden**2
        if (units := shape.layers * (block + heads)) > shape.parameters:
            what = f"parameters is {shape.parameters:,}, its heads and feed-forward blocks alone have {units:,}"
            raise DamagedError(path, what)
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
            for units in (content["heads"], *content["heads"], content["ffn"]):
                if not isinstance(units, list):
                    raise UserError(f"{units!r:.80} is no list of units")
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
    """The tickets in a file that has one for each of several tasks (:mod:`supertickets.multi_task.share_tickets`).

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

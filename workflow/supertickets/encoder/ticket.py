"""Tickets: the heads and feed-forward blocks of an encoder that are kept, and their share of the parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from supertickets.errors import UserError, message, reading
from supertickets.files import read_json, read_object


@dataclass(frozen=True)
class Shape:
    """Dimensions of an encoder with its task head.

    Attributes:
        layers: number of layers.
        heads: attention heads per layer.
        hidden: width of the hidden states (d).
        ffn: inner width of a feed-forward block (d_ff).
        parameters: number of all parameters, including embeddings and task head.
        head_matrices: matrices of which each head owns a part (query, key, value, output), each hidden times hidden.
        ffn_matrices: matrices of a feed-forward block, each hidden times inner width.
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
            UserError: the file does not hold these numbers.
        """
        with reading(path, "the dimensions of an encoder"):
            shape = cls(**read_json(path))
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
        if type(self.heads_per_layer) is not int or self.heads_per_layer < 1:
            raise UserError(f"ticket: heads_per_layer is {self.heads_per_layer!r:.80}; expected a number from 1")
        for layer, kept in enumerate(self.heads):
            if not kept:
                raise UserError(f"ticket: layer {layer} keeps no attention head; at least one must stay")
            _check_indices(kept, self.heads_per_layer, message(f"heads of layer {layer}"))
        _check_indices(self.ffn, len(self.heads), message("ffn layers"))

    def units(self) -> Iterator[tuple[str, int, int | str]]:
        """Iterate over kept units: (``head``, layer, head), then (``ffn``, layer, empty), each layer by layer."""
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
        """Share of the parameters left, by the formula of the published code.

        ``1 - (2 d d_ff n_ffn + 4 d (d / h) n_heads) / parameters``. Only matrices are counted, not the biases of cut
        units (about 0.1% of their parameters). Source: cliang1453/super-structured-lottery-tickets. The 2 and the 4 are
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
    def of(cls, record: Any, where: str) -> Ticket:
        """A ticket from its JSON object, which was read from ``where``.

        Raises:
            UserError: a key is missing or a unit does not exist; names ``where``.
        """
        with reading(where, "a ticket"):
            heads = tuple(tuple(kept) for kept in record["heads"])
            return cls(heads, tuple(record["ffn"]), record["heads_per_layer"])

    def require_dimensions(self, layers: int, heads: int, where: str) -> None:
        """Refuse a ticket of an encoder with another number of layers, or of heads per layer.

        Raises:
            UserError: names ``where``, the origin of the ticket, and the numbers of both encoders.
        """
        if (len(self.heads), self.heads_per_layer) != (layers, heads):
            raise UserError(
                f"{where}: it has {len(self.heads)} layers of {self.heads_per_layer} heads, the encoder {layers} of "
                f"{heads}; both must be of the same encoder"
            )

    @classmethod
    def union(cls, tickets: Sequence[Ticket]) -> Ticket:
        """The union of tickets of one encoder: all units that any of them keeps."""
        heads = [sorted(set().union(*kept)) for kept in zip(*(ticket.heads for ticket in tickets), strict=True)]
        ffn = sorted(set().union(*(ticket.ffn for ticket in tickets)))
        return cls(tuple(map(tuple, heads)), tuple(ffn), tickets[0].heads_per_layer)


def read_tickets(path: Path, tasks: Collection[str] = ()) -> dict[str, Ticket]:
    """Read a multi-task file of tickets, one for each task (:mod:`supertickets.multi_task.share_tickets`).

    Args:
        path: the file.
        tasks: names of the tasks to read; all if empty.

    Raises:
        UserError: the ticket of a task is missing or broken.
    """
    records = read_object(path, *tasks)
    return {task: Ticket.of(records[task], f"{path}, task {task}") for task in tasks or records}


def _check_indices(indices: Sequence[int], end: int, what: str) -> None:
    """Refuse indices that are not ascending numbers below ``end``; ``what`` names them in the message."""
    # bool is a subclass of int, and 0.5 would pass as an index
    whole = all(type(index) is int and 0 <= index < end for index in indices)
    if not whole or list(indices) != sorted(set(indices)):
        raise UserError(f"ticket: {what} are {list(indices)}; expected ascending numbers from 0 to {end - 1}")

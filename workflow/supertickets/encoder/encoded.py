"""A tokenised task: its file, and its examples in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from supertickets.errors import DamagedError
from supertickets.experiment.parts import UNLABELLED
from supertickets.files import read_json

#: Columns of the file.
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "split": pa.string(),
        "label": pa.float64(),
        "input_ids": pa.list_(pa.int32()),
        "token_type_ids": pa.list_(pa.int8()),
    }
)


def arrow(array: np.ndarray) -> pa.Array:
    """A numpy array of numbers as an arrow array; ``pa.array`` imports pandas, half a second of every training."""
    kind = pa.from_numpy_dtype(array.dtype)
    return pa.Array.from_buffers(kind, len(array), [None, pa.py_buffer(np.ascontiguousarray(array))])


def strings(values: Sequence[str]) -> pa.StringArray:
    """Strings as an arrow array, likewise without pandas."""
    encoded = [value.encode() for value in values]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))


@dataclass(frozen=True)
class Encoded:
    """The tokenised examples of a task, in the order of the file.

    Attributes:
        ids: example ids, n.
        parts: ``train``, ``validation``, ``test`` or a further part, n.
        labels: class index or target value, float64, shape (n,).
        tokens: token ids of all examples, one after another.
        types: token type ids, aligned with ``tokens``.
        offsets: where each example starts in ``tokens``, shape (n + 1,).
        origin: where they came from, for messages.
    """

    ids: list[str]
    parts: list[str]
    labels: np.ndarray
    tokens: np.ndarray
    types: np.ndarray
    offsets: np.ndarray
    origin: str = "encoded task"

    @property
    def lengths(self) -> np.ndarray:
        """Tokens per example, shape (n,)."""
        return np.diff(self.offsets)

    @classmethod
    def read(cls, path: Path) -> Encoded:
        """Read an encoded task.

        Raises:
            UserError: the file is no such table.
        """
        try:
            table = pq.ParquetFile(path).read()  # this and what follows do not import pandas
            columns = {field.name: table[field.name].cast(field.type).combine_chunks() for field in SCHEMA}
            return replace(cls._of(columns), origin=str(path))
        # ValueError and TypeError come from bytes that are no text, and from damaged lists
        except (pa.ArrowException, KeyError, OSError, ValueError, TypeError) as error:
            raise DamagedError(path, f"not an encoded task ({error})") from error

    @classmethod
    def _of(cls, columns: Mapping[str, pa.Array]) -> Encoded:
        tokens, types = columns["input_ids"], columns["token_type_ids"]
        for name, array in columns.items():
            array.validate(full=True)
            if array.null_count or (name in ("input_ids", "token_type_ids") and array.values.null_count):
                raise ValueError(f"{name} has empty places")
        if not tokens.offsets.equals(types.offsets):
            raise ValueError("input_ids and token_type_ids are of other lengths")
        return cls(
            ids=columns["id"].to_pylist(),
            parts=columns["split"].to_pylist(),
            labels=np.array(np.from_dlpack(columns["label"])),  # a copy: arrow's memory is read-only
            tokens=np.from_dlpack(tokens.values),
            types=np.from_dlpack(types.values),
            offsets=np.from_dlpack(tokens.offsets),
        )

    def require_fit(self, embeddings: int, outputs: int, types: float, positions: float) -> None:
        """Refuse examples without a token, what an encoder has no embedding of, and labels that are none.

        Args:
            embeddings: how many tokens it has one of.
            outputs: number of classes, or 1 for regression.
            types, positions: of how many it has an embedding; infinite where it needs none.

        Raises:
            UserError: names the file.
        """
        if not self.lengths.all():
            raise DamagedError(self.origin, f"example {self.ids[int(self.lengths.argmin())]!r:.80} has no token")
        if not 0 <= self.tokens.min() <= self.tokens.max() < embeddings:
            found = f"token ids from {self.tokens.min()} to {self.tokens.max()}"
            raise DamagedError(self.origin, f"{found}; the encoder's are from 0 to {embeddings - 1}")
        if not 0 <= self.types.min() <= self.types.max() < types:
            found = f"token_type_ids from {self.types.min()} to {self.types.max()}"
            raise DamagedError(self.origin, f"{found}; the encoder has {types} types, from 0")
        if self.lengths.max() > positions:
            what = f"example {self.ids[int(self.lengths.argmax())]!r:.80} has {self.lengths.max()} tokens"
            raise DamagedError(self.origin, f"{what}; the encoder takes at most {positions}")
        wrong = ~np.isfinite(self.labels) if outputs == 1 else ~np.isin(self.labels, np.arange(outputs))
        if wrong.any():
            wrong &= ~np.isin(np.array(self.parts), UNLABELLED)
        for row in np.flatnonzero(wrong)[:1]:
            expected = "a number" if outputs == 1 else f"a class from 0 to {outputs - 1}"
            raise DamagedError(self.origin, f"label of {self.ids[row]!r:.80} is {self.labels[row]}, not {expected}")

    def chosen_rows(self, subset: Path) -> np.ndarray:
        """The rows that a subset names, in its order.

        Raises:
            UserError: the file names none, others than there are or than training examples, or one twice.
        """
        content = read_json(subset)
        rows = content.get("rows") if isinstance(content, dict) else None
        if not isinstance(rows, list) or not rows or not all(type(row) is int for row in rows):
            raise DamagedError(subset, f"not a subset: rows is {rows!r:.80}")
        wrong = next((row for row in rows if not 0 <= row < len(self.ids)), None)
        if wrong is not None:
            raise DamagedError(subset, f"row {wrong}: the task has {len(self.ids)}")
        wrong = next((row for row in rows if self.parts[row] != "train"), None)
        if wrong is not None:
            raise DamagedError(subset, f"row {wrong}: of part {self.parts[wrong]!r:.80}, not train")
        if len(set(rows)) < len(rows):
            raise DamagedError(subset, f"{len(rows)} rows, {len(set(rows))} different ones; each is there once")
        return np.array(rows, dtype=np.int64)

    def first(self, part: str, limit: int | None) -> np.ndarray:
        """Rows of the first ``limit`` examples of a part (all where None), in file order."""
        return np.flatnonzero(np.array(self.parts) == part)[:limit]

    def evaluated(self, limits: Mapping[str, int | None]) -> dict[str, np.ndarray]:
        """Rows of the first examples of each part, in an order of parts that predictions depend on in the last digits.

        Args:
            limits: of each part how many; None for all.

        Raises:
            UserError: there are none.
        """
        parts = {part: self.first(part, limits[part]) for part in sorted(limits, reverse=True)}
        if not any(map(len, parts.values())):
            raise DamagedError(self.origin, f"no examples of {' or '.join(parts)}, which are to be predicted")
        return parts

    def vocabulary(self, rows: np.ndarray, pad: int) -> np.ndarray:
        """Ids of the tokens of some examples and of the padding token, ascending."""
        flags = np.zeros(max(int(self.tokens.max()), pad) + 1, dtype=bool)
        flags[pad] = True
        for row in rows:
            flags[self.tokens[self.offsets[row] : self.offsets[row + 1]]] = True
        return np.flatnonzero(flags)

    def renumbered(self, vocabulary: np.ndarray) -> Encoded:
        """The same examples with each token's place in ``vocabulary`` as its id.

        Examples with a token that is not in it are not usable afterwards.
        """
        return replace(self, tokens=np.searchsorted(vocabulary, self.tokens))

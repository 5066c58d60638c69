"""The file of a tokenised task, and its examples in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas  # noqa: F401  arrow's conversions import it; a server imports it once for all jobs
import pyarrow as pa
import pyarrow.parquet as pq

from supertickets.errors import DamagedError, reading
from supertickets.experiment.parts import UNLABELLED
from supertickets.files import read_object

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
        origin: the file of the examples, for messages.
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
        """Number of tokens of each example, shape (n,)."""
        return np.diff(self.offsets)

    @classmethod
    def read(cls, path: Path) -> Encoded:
        """Read an encoded task.

        Raises:
            UserError: the file is not an encoded task.
        """
        with reading(path, "an encoded task"):
            table = pq.ParquetFile(path).read()
            columns = {field.name: table[field.name].cast(field.type).combine_chunks() for field in SCHEMA}
            return replace(cls._of(columns), origin=str(path))

    @classmethod
    def _of(cls, columns: Mapping[str, pa.Array]) -> Encoded:
        """The examples in the columns of a file."""
        tokens, types = columns["input_ids"], columns["token_type_ids"]
        for array in columns.values():
            array.validate(full=True)  # refuses text that is not UTF-8
        if not tokens.offsets.equals(types.offsets):
            raise ValueError("input_ids and token_type_ids differ in their lengths")
        return cls(
            ids=columns["id"].to_pylist(),
            parts=columns["split"].to_pylist(),
            labels=np.array(np.from_dlpack(columns["label"])),  # a copy: arrow's memory is read-only
            tokens=np.from_dlpack(tokens.values),
            types=np.from_dlpack(types.values),
            offsets=np.from_dlpack(tokens.offsets),
        )

    def require_fit(self, embeddings: int, outputs: int, types: float, positions: float) -> None:
        """Refuse examples that an encoder cannot take: no embedding for a token, or an invalid label.

        torch would fail too, but on a GPU it does not say at what. :func:`tokenise` has checked its own tokens;
        ``supertickets.score_units`` takes any texts, labels and tokenizer.

        Args:
            embeddings: number of tokens that the encoder has an embedding of.
            outputs: number of classes, or 1 for regression.
            types, positions: numbers of token types and positions with an embedding; infinite if none is needed.

        Raises:
            UserError: names the file.
        """
        for what, values, least, most in (
            ("numbers of tokens", self.lengths, 1, positions),
            ("token ids", self.tokens, 0, embeddings - 1),
            ("token_type_ids", self.types, 0, types - 1),
        ):
            if not least <= values.min() <= values.max() <= most:
                found = f"{what} from {values.min()} to {values.max()}"
                raise DamagedError(self.origin, f"{found}; the encoder takes {least} to {most}")
        wrong = ~np.isfinite(self.labels) if outputs == 1 else ~np.isin(self.labels, np.arange(outputs))
        if wrong.any():
            wrong &= ~np.isin(np.array(self.parts), UNLABELLED)
        for row in np.flatnonzero(wrong)[:1]:
            expected = "a number" if outputs == 1 else f"a class from 0 to {outputs - 1}"
            raise DamagedError(self.origin, f"label of {self.ids[row]!r:.80} is {self.labels[row]}, not {expected}")

    def chosen_rows(self, subset: Path) -> np.ndarray:
        """The rows of a subset, in its order.

        Raises:
            UserError: the file is damaged, or has a row that is not a training example of this task.
        """
        rows = read_object(subset, "rows")["rows"]
        with reading(subset, "a subset of this task's training examples"):
            if any(self.parts[row] != "train" for row in rows):
                raise ValueError("some are of other parts")
            return np.array(rows, dtype=np.int64)

    def first(self, part: str, limit: int | None) -> np.ndarray:
        """Rows of the first ``limit`` examples of a part (all if None), in file order."""
        return np.flatnonzero(np.array(self.parts) == part)[:limit]

    def evaluated(self, limits: Mapping[str, int | None]) -> dict[str, np.ndarray]:
        """Rows of the first examples of each part, with the parts in reverse alphabetical order.

        The last digits of predictions depend on this order.

        Args:
            limits: the most examples of each part; None for all.

        Raises:
            UserError: no part has any examples.
        """
        parts = {part: self.first(part, limits[part]) for part in sorted(limits, reverse=True)}
        if not any(map(len, parts.values())):
            raise DamagedError(self.origin, f"no examples of {' or '.join(parts)}, which are to be predicted")
        return parts

    def vocabulary(self, rows: np.ndarray, pad: int) -> np.ndarray:
        """Token ids that occur in some examples, and the padding token's id, ascending."""
        flags = np.zeros(max(int(self.tokens.max()), pad) + 1, dtype=bool)
        flags[pad] = True
        for row in rows:
            flags[self.tokens[self.offsets[row] : self.offsets[row + 1]]] = True
        return np.flatnonzero(flags)

    def renumbered(self, vocabulary: np.ndarray) -> Encoded:
        """A copy of the task, with each token's position in ``vocabulary`` as its id.

        Examples with a token outside ``vocabulary`` are not usable afterwards.
        """
        return replace(self, tokens=np.searchsorted(vocabulary, self.tokens))

"""Choose the training subset of a run: row numbers only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from .errors import UserError
from .files import write_json
from .seeds import generator


def subsample(examples: Path, size: str, seed: int, subset: Path) -> None:
    """Write a random subset of a task's training part, without replacement.

    Subsets of one seed are nested: a smaller one is the beginning of a larger one.

    Args:
        examples: the task.
        size: number of examples, or ``all``.
        seed: the run's seed.
        subset: JSON file to write: ``rows``, numbers of rows in ``examples``.

    Raises:
        UserError: the training part is smaller than ``size``.
    """
    parts = pq.ParquetFile(examples).read(["split"])["split"].to_pylist()
    rows = np.flatnonzero(np.array(parts) == "train")
    count = len(rows) if size == "all" else int(size)
    if count > len(rows):
        raise UserError(f"train size {count}: {examples} has {len(rows)} training examples")
    chosen = rows[generator(seed, "training subset").permutation(len(rows))[:count]]
    write_json(subset, {"rows": chosen.tolist()})

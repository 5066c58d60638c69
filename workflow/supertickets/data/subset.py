"""Choose the training subset of a run: row numbers only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from supertickets.errors import DamagedError, UserError
from supertickets.experiment.paths import size_from
from supertickets.files import write_json
from supertickets.seeds import generator


def subsample(examples: Path, size: str, seed: int, stratify: int, subset: Path) -> None:
    """Write a random subset of a task's training part, without replacement.

    Subsets of one seed are nested: a smaller one is the beginning of a larger one.

    Args:
        examples: the task.
        size: number of examples, share of them below 1, or ``all``.
        seed: the run's seed.
        stratify: 1 where every subset holds the classes in proportion, 0 where it is plainly random.
        subset: JSON file to write: ``rows``, numbers of rows in ``examples``.

    Raises:
        UserError: the training part is smaller than ``size``, or the task's file is damaged.
    """
    try:
        table = pq.ParquetFile(examples).read(["split", "label"])
        table.validate(full=True)  # text that is not UTF-8
        splits, labels = table["split"].cast(pa.string()), table["label"].cast(pa.float64())
    except (OSError, KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise DamagedError(examples, f"not a table ({error})") from error
    rows = np.flatnonzero(np.array(splits.to_pylist()) == "train")
    wanted = size_from(size)
    if isinstance(wanted, str):  # all
        count = len(rows)
    elif wanted < 1:
        count = max(round(wanted * len(rows)), 1)
    else:
        count = int(wanted)
    if count > len(rows):
        raise UserError(f"train size {count}: {examples} has {len(rows)} training examples")
    order = generator(seed, "training subset").permutation(len(rows))
    if stratify:
        order = order[stratified(labels.to_numpy()[rows[order]])]
    write_json(subset, {"rows": rows[order[:count]].tolist()})


def stratified(labels: np.ndarray) -> np.ndarray:
    """An order in which, for every n, the first n examples hold the classes in proportion.

    Two classes are off by at most one example, C classes by C / 2 + 1.

    Args:
        labels: class of each example, in random order, shape (n,).

    Returns:
        Positions in ``labels``, shape (n,); those of one class keep their order. The i-th of a class of m examples
        is due at the share (i + 1/2) / m of the whole.
    """
    due = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        due[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(due, kind="stable")

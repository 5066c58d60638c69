"""Choose the training subset of a run, as row numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from supertickets.data.examples import read_examples
from supertickets.errors import UserError
from supertickets.experiment.train_sizes import size_from
from supertickets.files import write_json
from supertickets.seeds import generator


def subsample(examples: Path, size: str, seed: int, stratify: int, subset: Path) -> None:
    """Write a random subset of a task's training part, without replacement.

    Subsets of one seed are nested: a smaller subset is the beginning of a larger one.

    Args:
        examples: the task's examples file.
        size: number of examples; a share of them if below 1; or ``all``.
        seed: the run's seed.
        stratify: 1 for subsets that hold the classes in proportion, 0 for plainly random ones.
        subset: JSON file to write: ``rows``, row numbers in ``examples``.

    Raises:
        UserError: the training part is smaller than ``size``, or the examples file is damaged.
    """
    table = read_examples(examples, "split", "label")
    rows = np.flatnonzero(np.array(table["split"].to_pylist()) == "train")
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
        order = order[stratified(table["label"].to_numpy()[rows[order]])]
    write_json(subset, {"rows": rows[order[:count]].tolist()})


def stratified(labels: np.ndarray) -> np.ndarray:
    """An order whose first n examples hold the classes in proportion, for every n.

    With two classes a count deviates by at most one example, with C classes by at most C / 2 + 1.

    Args:
        labels: class of each example, in random order, shape (n,).

    Returns:
        Positions in ``labels``, shape (n,); examples of one class keep their order. The i-th of m examples of a class
        is placed at the share (i + 1/2) / m of the whole.
    """
    due = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        due[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(due, kind="stable")

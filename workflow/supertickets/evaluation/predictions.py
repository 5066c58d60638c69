"""What runs predicted, side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.errors import DamagedError, UserError
from supertickets.evaluation.columns import CUT, Content, read_parquet
from supertickets.evaluation.metric import predicted
from supertickets.evaluation.results import reported_split
from supertickets.experiment.paths import folder_of
from supertickets.files import read_json

#: A model computes in float32: no label or output is larger.
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Outcomes:
    """Outputs of several runs for the same examples.

    Attributes:
        labels: class indices or target values, shape (examples,).
        logits: shape (runs, examples, outputs).
    """

    labels: np.ndarray
    logits: np.ndarray

    def of(self, rows: np.ndarray) -> Outcomes:
        """The same of some examples."""
        return Outcomes(self.labels[rows], self.logits[:, rows])

    @property
    def predicted(self) -> np.ndarray:
        """Class indices or values, shape (runs, examples)."""
        return np.stack([predicted(logits) for logits in self.logits])


def read_record(results: Path, run: Mapping[str, Any], task: str = "") -> dict[str, Any]:
    """The record of a run.

    Args:
        results: the results folder.
        run: the run.
        task: which one, of a run on several tasks; what the record says of that.

    Raises:
        UserError: it is the record of another run, or does not say what the run's ticket cuts.
    """
    path = results / folder_of(run) / "record.json"
    record = read_json(path)
    found = record.get("run") if isinstance(record, dict) else None
    if found != run:
        raise UserError(f"{path}: is of run {found}, expected {run}; delete the folder")
    tasks = record.get("tasks", {})
    told = tasks.get(task, record) if isinstance(tasks, dict) else record
    if not isinstance(told, dict) or not _says_cut(told, run.get("kind") == "full"):
        raise UserError(f"{path}: does not say what its ticket keeps; delete the folder to have it made again")
    return told


def _says_cut(told: Mapping[str, Any], full: bool) -> bool:
    """Whether a record has numbers of what a ticket cuts that can be; of a full model, nothing is cut."""
    values: list[Any] = [told.get(name) for name in CUT]
    *counts, weight = values
    whole = all(type(count) is int and 0 <= count < 2**31 for count in counts)
    if full and (*counts, weight) != (0, 0, 1):
        return False
    return whole and type(weight) in (int, float) and 0 <= weight <= 1


def predictions_file(results: Path, run: Mapping[str, Any]) -> Path:
    """Where a run's predictions are."""
    return results / folder_of(run) / "predictions.parquet"


def require_splits(found: Mapping[Path, Collection[str]]) -> None:
    """Refuse predictions without a split that others, of other runs, have.

    Args:
        found: the splits in each file.

    Raises:
        UserError: names the file and the split.
    """
    for split in sorted(set().union(*found.values())):
        for path, splits in found.items():
            if split not in splits:
                raise DamagedError(path, f"no {split} examples, unlike predictions of other runs")


def read_outcomes(results: Path, runs: Iterable[Mapping[str, Any]], task: str = "") -> dict[str, Outcomes]:
    """Outputs of runs on each split that was evaluated.

    Args:
        results: the results folder.
        runs: runs of one model, task and size.
        task: which one, of runs on several tasks.

    Raises:
        UserError: two runs predicted other examples, or other splits, or none that is reported; names the file.
    """
    labels: dict[str, pd.Series] = {}
    logits: dict[str, list[np.ndarray]] = {}
    splits: dict[Path, set[str]] = {}
    for run in runs:
        path = predictions_file(results, run)
        table = _read_predictions(path, None if "task" in run else [("task", "==", task)])
        for split, members in table.groupby("split", sort=True):
            known = members.set_index("id")["label"]
            if not labels.setdefault(split, known).equals(known):
                raise DamagedError(path, f"other {split} examples than in other runs")
            found = np.stack(members["logits"].tolist())
            others = logits.setdefault(split, [])
            if others and found.shape != others[0].shape:
                raise DamagedError(path, f"{found.shape[1]} outputs, not as other runs")
            others.append(found)
        splits[path] = set(table["split"])
    require_splits(splits)
    for path in [] if reported_split(logits) in logits else splits:
        raise DamagedError(path, f"no test or validation examples: its splits are {', '.join(logits)}")
    return {split: Outcomes(labels[split].to_numpy(), np.stack(stack)) for split, stack in logits.items()}


def _read_predictions(path: Path, filters: list[tuple[str, str, str]] | None) -> pd.DataFrame:
    """A table of predictions.

    Raises:
        UserError: the file is damaged.
    """
    table = read_parquet(path, ["id", "split", "label", "logits"], filters)
    uneven = "not predictions: logits are not lists of as many numbers in every row"
    try:
        logits = np.stack(table["logits"].tolist()) if len(table) else np.empty((0, 0))
    except (ValueError, TypeError) as error:
        raise DamagedError(path, f"{uneven} ({error})") from error
    if lack := Content(texts=("id", "split"), numbers=("label",)).lack(table):
        raise DamagedError(path, f"not predictions: {lack}")
    if logits.dtype.kind not in "iuf" or logits.ndim != 2 or not logits.shape[1]:
        raise DamagedError(path, uneven)
    labels, outputs = table["label"].to_numpy(np.float64), logits.shape[1]
    for name, values in (("label", labels[:, None]), ("logits", logits)):
        for row in np.flatnonzero(~(np.abs(values) <= LARGEST).all(axis=1))[:1]:
            what = f"{name} of {table['id'][row]!r:.80} is {table[name][row]}, not finite in float32"
            raise DamagedError(path, f"not predictions: {what}")
    for row in np.flatnonzero(~np.isin(labels, np.arange(outputs)))[:1] if outputs > 1 else ():
        what = f"label of {table['id'][row]!r:.80} is {labels[row]:g}, not a class from 0 to {outputs - 1}"
        raise DamagedError(path, f"not predictions: {what}")
    for row in np.flatnonzero(table.duplicated(["split", "id"]))[:1]:
        what = f"id {table['id'][row]!r:.80} is there twice in {table['split'][row]!r:.80}"
        raise DamagedError(path, f"not predictions: {what}")
    return table

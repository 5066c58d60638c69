"""Records and predictions of runs."""

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
from supertickets.experiment.int8 import int8_folder
from supertickets.experiment.paths import folder_of
from supertickets.files import read_json

#: The largest absolute value of a label or output: models compute in float32.
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Outcomes:
    """Outputs of several runs for the same examples.

    Attributes:
        labels: class indices or target values, shape (examples,).
        logits: shape (runs, examples, outputs).
        documents: number of the document of each example, shape (examples,); None where every example is a document
            of its own.
    """

    labels: np.ndarray
    logits: np.ndarray
    documents: np.ndarray | None = None

    def of(self, rows: np.ndarray) -> Outcomes:
        """Select some of the examples."""
        documents = None if self.documents is None else self.documents[rows]
        return Outcomes(self.labels[rows], self.logits[:, rows], documents)

    @property
    def counts(self) -> dict[str, int]:
        """Columns of tables: the number of ``examples``, and of ``documents`` where several examples may be of one."""
        documents = {} if self.documents is None else {"documents": len(np.unique(self.documents))}
        return {"examples": len(self.labels)} | documents

    @property
    def of_one_model(self) -> bool:
        """Whether all runs gave the same outputs to the bit, as those of a full model that the user gives do."""
        return bool((self.logits == self.logits[:1]).all())

    @property
    def predicted(self) -> np.ndarray:
        """Predicted class indices or values, shape (runs, examples)."""
        return np.stack([predicted(logits) for logits in self.logits])


def read_record(results: Path, run: Mapping[str, Any], task: str = "") -> dict[str, Any]:
    """Read the record of a run.

    Args:
        results: the results folder.
        run: the run.
        task: for a multi-task run, the task whose part of the record is returned.

    Raises:
        UserError: the record is of another run, or lacks the numbers of units that the run's ticket cuts.
    """
    path = results / folder_of(run) / "record.json"
    record = read_json(path)
    recorded_run = record.get("run") if isinstance(record, dict) else None
    if recorded_run != run:
        raise UserError(f"{path}: is of run {recorded_run}, expected {run}; delete the folder")
    tasks = record.get("tasks", {})
    task_record = tasks.get(task, record) if isinstance(tasks, dict) else record
    if not isinstance(task_record, dict) or not _has_valid_cut(task_record, run.get("kind") == "full"):
        raise UserError(f"{path}: does not say what its ticket keeps; delete the folder to have it made again")
    return task_record


def _has_valid_cut(record: Mapping[str, Any], full: bool) -> bool:
    """Check that a record has possible numbers of what its ticket cuts; a full model must have nothing cut."""
    *counts, weight = (record.get(name) for name in CUT)
    counts_valid = all(type(count) is int and 0 <= count < 2**31 for count in counts)
    if full and (*counts, weight) != (0, 0, 1):
        return False
    return counts_valid and type(weight) in (int, float) and 0 <= weight <= 1


def predictions_file(results: Path, run: Mapping[str, Any]) -> Path:
    """Return the path of a run's predictions; in int8 where it has the key ``int8``."""
    return results / (int8_folder(run) if "int8" in run else folder_of(dict(run))) / "predictions.parquet"


def require_splits(splits_by_file: Mapping[Path, Collection[str]]) -> None:
    """Refuse predictions that lack a split which predictions of other runs have.

    Args:
        splits_by_file: the splits in each file of predictions.

    Raises:
        UserError: a file lacks a split; names both.
    """
    for split in sorted(set().union(*splits_by_file.values())):
        for path, splits in splits_by_file.items():
            if split not in splits:
                raise DamagedError(path, f"no {split} examples, unlike predictions of other runs")


def documents_of(ids: pd.Index, separator: str) -> np.ndarray | None:
    """Number the documents that examples are of.

    Args:
        ids: ids of the examples; up to the separator an id names the document, as where a task is split.
        separator: empty where every example is a document of its own.
    """
    return pd.factorize(ids.str.split(separator, n=1, regex=False).str[0])[0] if separator else None


def read_outcomes(
    results: Path, runs: Iterable[Mapping[str, Any]], task: str = "", separator: str = ""
) -> dict[str, Outcomes]:
    """Read the outputs of runs on each split that was evaluated.

    Args:
        results: the results folder.
        runs: runs of one model, task and size.
        task: for multi-task runs, the task whose predictions are read.
        separator: the task's, as of :func:`documents_of`.

    Raises:
        UserError: two runs have different examples or splits, or no split can be reported; names the file.
    """
    labels: dict[str, pd.Series] = {}
    logits: dict[str, list[np.ndarray]] = {}
    splits: dict[Path, set[str]] = {}
    for run in runs:
        path = predictions_file(results, run)
        table = _read_predictions(path, None if "task" in run else [("task", "==", task)])
        for split, rows in table.groupby("split", sort=True):
            run_labels = rows.set_index("id")["label"]
            if not labels.setdefault(split, run_labels).equals(run_labels):
                raise DamagedError(path, f"other {split} examples than in other runs")
            run_logits = np.stack(rows["logits"].tolist())
            split_logits = logits.setdefault(split, [])
            if split_logits and run_logits.shape != split_logits[0].shape:
                raise DamagedError(path, f"{run_logits.shape[1]} outputs, not as other runs")
            split_logits.append(run_logits)
        splits[path] = set(table["split"])
    require_splits(splits)
    if reported_split(logits) not in logits:
        raise DamagedError(next(iter(splits)), f"no test or validation examples: its splits are {', '.join(logits)}")
    return {
        split: Outcomes(labels[split].to_numpy(), np.stack(stack), documents_of(labels[split].index, separator))
        for split, stack in logits.items()
    }


def _read_predictions(path: Path, filters: list[tuple[str, str, str]] | None) -> pd.DataFrame:
    """Read and check a table of predictions.

    Raises:
        UserError: the file is damaged.
    """
    table = read_parquet(path, ["id", "split", "label", "logits"], filters)
    uneven = "not predictions: logits are not lists of numbers with the same length in every row"
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

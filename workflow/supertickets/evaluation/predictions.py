"""Records and predictions of runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.errors import DamagedError, UserError, reading
from supertickets.evaluation.columns import CUT, Content, read_parquet
from supertickets.evaluation.metric import predicted
from supertickets.experiment.int8 import int8_folder
from supertickets.experiment.paths import folder_of
from supertickets.files import read_object, require_keys


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
        task: for a multi-task run, the task whose part of the record is laid over the rest.

    Raises:
        UserError: the record is of another run, or lacks its precision or the numbers of units that the ticket cuts.
    """
    path = results / folder_of(run) / "record.json"
    record = read_object(path, "run")
    if record["run"] != run:
        raise UserError(f"{path}: is of run {record['run']}, expected {run}; delete the folder")
    of_task = require_keys(path, record.get("tasks", {}).get(task, record), *CUT)
    return require_keys(path, record | of_task, "precision")


def predictions_file(results: Path, run: Mapping[str, Any]) -> Path:
    """Return the path of a run's predictions; in int8 where it has the key ``int8``."""
    return results / (int8_folder(run) if "int8" in run else folder_of(dict(run))) / "predictions.parquet"


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
        UserError: a file is damaged, or two runs have different examples; names the file.
    """
    read = [
        (path := predictions_file(results, run), *_read_predictions(path, "" if "task" in run else task))
        for run in runs
    ]
    _, examples, outputs = read[0]
    for path, own, logits in read:
        if not own.equals(examples) or logits.shape != outputs.shape:
            raise DamagedError(path, "other examples than in other runs")
    return {
        split: Outcomes(
            rows["label"].to_numpy(),
            np.stack([logits[rows.index.to_numpy()] for _, _, logits in read]),
            documents_of(pd.Index(rows["id"]), separator),
        )
        for split, rows in examples.groupby("split", sort=True)
    }


def _read_predictions(path: Path, task: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Read the examples (split, id, label) of a table of predictions, split by split, and their outputs.

    Args:
        path: the file.
        task: the one that is read of a multi-task run; empty for another run.

    Raises:
        UserError: the file is damaged.
    """
    filters = [("task", "==", task)] if task else None
    table = read_parquet(path, ["id", "split", "label", "logits"], filters)
    if lack := Content(texts=("id", "split"), numbers=("label",)).lack(table):
        raise DamagedError(path, f"not predictions: {lack}")
    table = table.sort_values("split", kind="stable", ignore_index=True)
    with reading(path, "predictions: logits are not lists of numbers, of one length"):
        outputs = np.stack(table.pop("logits").tolist())
        return table[["split", "id", "label"]], outputs

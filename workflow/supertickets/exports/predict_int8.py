"""Predict in int8 what a run has predicted: its training is repeated, and its weights are rounded."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from supertickets.encoder.encoded import Encoded
from supertickets.evaluation.choice import halves, least_of
from supertickets.evaluation.columns import read_parquet
from supertickets.evaluation.compare import outcomes_by_ratio, runs_by_ratio
from supertickets.evaluation.int8 import chosen_by_others
from supertickets.evaluation.predictions import predictions_file
from supertickets.experiment.grid import group_runs, separator_of
from supertickets.experiment.int8 import FULL
from supertickets.experiment.paths import ENCODER
from supertickets.exports.describe import largest_difference
from supertickets.exports.folder import export_model
from supertickets.exports.int8 import outputs_of
from supertickets.exports.to_onnx import quantise, require_extra, write_onnx
from supertickets.jobs.locks import alone
from supertickets.training.repeat import repeat_run
from supertickets.training.run import write_predictions

log = logging.getLogger(__name__)


def predict_int8(
    results: Path,
    grid: dict[str, Any],
    group: dict[str, Any],
    metric: str,
    which: str,
    seed: int,
    settings: dict[str, Any],
    labels: list[str],
    max_length: int,
    examples: Path,
    encoded: Path,
    threads: int,
    predictions: Path,
    chosen: Path | None = None,
    finetuned: Path | None = None,
    checkpoint_minutes: float = 0.0,
) -> None:
    """Write what the full model of a seed predicts in int8, or the super ticket that the other seeds chose.

    It is the int8 ONNX file of an export. Without a test split each half of validation has the ticket that the
    other seeds chose on the other half, and so this one's predictions.

    Args:
        results: the results folder, with runs, subsets, tickets and the encoder.
        grid: axes of the grid, how super tickets are chosen if that is unusual, and ``separators`` of tasks whose
            examples are of documents.
        group: model, task, train_size and the kind ``winning``.
        metric: the task's first metric, which chooses tickets.
        which: ``full`` or ``super``.
        seed: of the training.
        settings: the task's training settings; ``evaluate`` names the parts to predict.
        labels: names of the classes, or of the one value of a regression.
        max_length: longest sequence in tokens.
        examples, encoded: the task, and the same tokenised.
        threads: of the CPU that predicts.
        predictions: Parquet file to write: id, split, label and logits of every evaluation example.
        chosen, finetuned, checkpoint_minutes: as of :func:`~supertickets.training.repeat.repeat_training`.

    Raises:
        UserError: the extra is not installed, or an input is unusable.
    """
    require_extra()
    model = results / ENCODER.format(**group)
    rounded: dict[float, pd.DataFrame] = {}
    parts = [*_runs(results, grid, group, metric, which, seed)]
    with alone(predictions.with_suffix(".lock")):
        for run in {run["ratio"]: run for run, _ in parts}.values():
            # Beside the predictions: a training that was interrupted, or has ended, is not begun again.
            work = predictions.with_name(f"training-{run['ratio']:.2f}")
            work.mkdir(exist_ok=True)
            names = ("predictions.parquet", "record.json", "model.safetensors", "ticket.json")
            predicted, record, trained, ticket = (work / name for name in names)
            repeat_run(
                results, run, settings, encoded, predicted, record, trained, ticket, chosen, finetuned,
                checkpoint_minutes,
            )  # fmt: skip
            own = read_parquet(predicted, ["id", "split", "label", "logits"])
            difference = largest_difference(own, predictions_file(results, run))
            log.info("trained once more, its outputs differ from those of the run by %.1g at most", difference)
            export_model(model / "config.json", trained, ticket, examples, encoded, labels, max_length, work)
            rounded[run["ratio"]] = _rounded(work, own, encoded, threads)
        table = _joined([(rounded[run["ratio"]], rows) for run, rows in parts])
        schema = pq.read_schema(predicted)  # as predictions of runs have it
        rows = pa.Table.from_pandas(table, schema, preserve_index=False)
        write_predictions(predictions, rows.replace_schema_metadata())
        for work in predictions.parent.glob("training-*"):
            shutil.rmtree(work)


def _runs(
    results: Path, grid: dict[str, Any], group: dict[str, Any], metric: str, which: str, seed: int
) -> Iterator[tuple[dict[str, Any], np.ndarray | slice]]:
    """The runs that are predicted, each with the rows of validation that it is reported on."""
    runs = {run["ratio"]: run for run in group_runs(grid, group) if run["seed"] == seed}
    if which == FULL:
        yield runs[0.0], slice(None)
        return
    by_split = outcomes_by_ratio(results, runs_by_ratio(grid, group), separator_of(grid, group["task"]))
    _, choices = chosen_by_others(metric, by_split, least_of(grid))
    place = grid["seeds"].index(seed)
    # Where no ticket can be chosen the comparison is undefined, whatever is predicted.
    ratios = [ratios[place] if ratios[place] == ratios[place] else max(runs) for ratios in choices]
    if "test" in by_split:
        yield runs[ratios[0]], slice(None)
        return
    validation = by_split["validation"][0.0]
    for ratio, rows in zip(ratios, halves(len(validation.labels), validation.documents), strict=True):
        yield runs[ratio], rows


def _rounded(folder: Path, own: pd.DataFrame, encoded: Path, threads: int) -> pd.DataFrame:
    """Predictions of an exported model in int8.

    Args:
        folder: of the export.
        own: predictions of the trained model.
        encoded: the tokenised task.
        threads: of the CPU.
    """
    write_onnx(folder / "cut", folder / "model.onnx")
    quantise(folder / "model.onnx", folder / "model.int8.onnx")
    data = Encoded.read(encoded)
    found: dict[int, np.ndarray] = {}
    for _, part in own.groupby("split"):  # each for itself, as the score of an export is computed
        outputs = outputs_of(folder / "model.int8.onnx", folder / "cut", data, part, threads)
        found |= dict(zip(part.index, outputs, strict=True))
    return own.assign(logits=[found[row] for row in own.index])


def _joined(parts: Sequence[tuple[pd.DataFrame, np.ndarray | slice]]) -> pd.DataFrame:
    """Predictions of a seed's models: those of the first, but for the rows of validation that are another's.

    Args:
        parts: predictions of each model, and its rows of validation.
    """
    table = parts[0][0].copy()
    validation = np.flatnonzero(table["split"] == "validation")
    for own, rows in parts[1:]:
        table.loc[validation[rows], "logits"] = own.loc[validation[rows], "logits"]
    return table

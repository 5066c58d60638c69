"""Say what an exported model is, what it scores, and what was found of its task: for programs, and as a model card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.encoder.ticket import Ticket
from supertickets.evaluation.columns import MODEL_TASK_SIZE, read_parquet
from supertickets.evaluation.gain import HONEST
from supertickets.evaluation.latency import CONDITION, SIZES, SPEEDUP, TIMES, read_latency
from supertickets.evaluation.metric import metric_of, predicted
from supertickets.evaluation.predictions import documents_of, predictions_file
from supertickets.evaluation.resampling import sample
from supertickets.evaluation.results import read_groups, read_judged, reported_split_of
from supertickets.evaluation.significance import bounded, mean_intervals, percentile_interval
from supertickets.experiment.grid import separator_of
from supertickets.exports.card import card_of
from supertickets.files import read_object, replacing, write_json

#: Keys of an int8 model's scores.
INT8 = ("split", "metric", "examples", "value", "low", "high", "difference", "difference_low", "difference_high")
#: Keys of a training's record that a card shows.
OF_RECORD = ("weight_remaining", "parameters", "precision", "versions")


def describe_export(
    results: Path,
    grid: dict[str, Any],
    group: dict[str, Any],
    metrics: list[str],
    which: str,
    origins: dict[str, Any],
    pairs: int,
    max_length: int,
    record: Path,
    predictions: Path,
    ticket: Path,
    verdict: Path,
    card: Path,
    int8: Path | None = None,
) -> None:
    """Write what an exported model is, what it scores, how fast it is, and what was found of its task.

    Args:
        results: the results folder, with scores, ``verdicts.csv`` and latency.
        grid: the winning tickets at all sizes, and ``separators`` of tasks whose examples are of documents.
        group: model, task, train_size and the kind ``winning``.
        metrics: of the task; the first has chosen the ticket.
        which: ``full`` or ``super``.
        origins: of ``model`` and ``data`` the ``source``, and the ``licence`` where it is known.
        pairs: 1 if examples are pairs of texts.
        max_length: longest sequence in tokens that the model was trained with.
        record, predictions, ticket: of the exported training.
        verdict, card: JSON and Markdown files to write.
        int8: scores of its int8 ONNX file (:func:`supertickets.exports.int8.quantise_onnx`); None: not in the card.

    Raises:
        UserError: a file is damaged.
    """
    made = read_object(record, "run", *OF_RECORD)
    own = read_parquet(predictions, ["id", "split", "label", "logits"])
    content = {
        **{key: group[key] for key in MODEL_TASK_SIZE},
        "which": which,
        **found_of(results, grid, group, metrics, made, own),
        "ticket": Ticket.read(ticket).as_json(),
        "origins": origins,
        "pairs": bool(pairs),
        "max_length": max_length,
    }
    if int8 is not None:
        content["int8"] = read_object(int8, *INT8)
    content = without_nan(content)
    write_json(verdict, content)
    with replacing(card) as part:
        part.write_text(card_of(content), encoding="utf-8")


def found_of(
    results: Path,
    grid: dict[str, Any],
    group: dict[str, Any],
    metrics: Sequence[str],
    made: Mapping[str, Any],
    own: pd.DataFrame,
) -> dict[str, Any]:
    """What was found of a task and of its exported model, as ``verdict.json`` names it: verdict, scores, gain, speed.

    Args:
        results, grid, group, metrics: as of :func:`describe_export`.
        made: the record of the exported training.
        own: its predictions.

    Raises:
        UserError: a file is damaged.
    """
    run = made["run"]
    judged = read_judged(results, "verdicts.csv")
    row = judged[(judged[MODEL_TASK_SIZE] == [str(group[key]) for key in MODEL_TASK_SIZE]).all(axis=1)].iloc[0]
    separator = separator_of(grid, group["task"])
    scores = read_groups(results, "scores", [group])
    return {
        "verdict": row["verdict"],
        "margin": row["margin"],
        "metric": metrics[0],
        "split": reported_split_of(own["split"]),
        "chance": row["chance"],
        "run": run,
        "seeds": row["seeds"],
        "scores": scores_of(own, scores, run["ratio"], metrics, separator),
        "gain": {key: row[f"{key}_{HONEST}"] for key in ("difference", "low", "high", "p")},
        "differs_from_run": largest_difference(own, predictions_file(results, run)),
        **{key: made[key] for key in OF_RECORD},
        "latency": latency_of(results, group, run["ratio"]),
    }


def latency_of(results: Path, group: Mapping[str, Any], ratio: float) -> dict[str, Any]:
    """How long the model of a ratio takes: the ``machine`` that measured, and rows of what was ``measured``."""
    table, machines = read_latency(results, [group])
    columns = [*SIZES[3:], *CONDITION, "rounds", *TIMES, *SPEEDUP]
    rows = table.loc[table["ratio"] == ratio, columns].to_dict("records")
    return {"machine": machines[group["model"], group["task"]], "measured": rows}


def scores_of(
    own: pd.DataFrame, scores: pd.DataFrame, ratio: float, metrics: Sequence[str], separator: str
) -> list[dict[str, Any]]:
    """What a model scores on each split by each metric, in points, beside the means over seeds.

    Args:
        own: its predictions.
        scores: those of the runs of its group.
        ratio: its own.
        metrics: of the task.
        separator: the task's, as of :func:`~supertickets.evaluation.predictions.documents_of`.

    Returns:
        For each split and metric ``value``, and ``low`` and ``high`` of its bootstrap interval over examples, or over
        documents, of which a single one has none; ``mean``
        and ``full`` over the seeds of its ratio and of the full models, each with its Student's t interval.
    """
    of_ratio = {"mean": scores[scores["ratio"] == ratio], "full": scores[scores["ratio"] == 0]}
    means = {name: mean_intervals(table, ["split", "metric"]) for name, table in of_ratio.items()}
    rows = []
    for split, part in own.groupby("split", sort=True):
        answers = predicted(np.stack(part["logits"].tolist()))
        documents = documents_of(pd.Index(part["id"]), separator)
        for metric in metrics:
            sampled = sample(metric, part["label"].to_numpy(), answers[None], documents=documents)
            low, high = percentile_interval(sampled.resampled[0])
            found = {"split": split, "metric": metric, "examples": len(part), "value": sampled.scores[0]}
            found |= {"low": low, "high": high}
            for name, table in means.items():
                row = table.loc[[(split, metric)]]
                low, high = bounded(row, metric_of(metric).lowest)  # fewer than three seeds have none
                found |= {name: row["mean"].item(), f"{name}_low": low.item(), f"{name}_high": high.item()}
            rows.append(found)
    return rows


def largest_difference(own: pd.DataFrame, path: Path) -> float:
    """How far the outputs of a repeated training are from those of the run, which it repeats."""
    ours, theirs = (np.stack(table["logits"].tolist()) for table in (own, read_parquet(path, ["logits"])))
    return float(np.abs(ours - theirs).max())


def without_nan(content: Any) -> Any:
    """Content as JSON has it: None for not-a-number, and plain numbers."""
    if isinstance(content, Mapping):
        return {key: without_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_nan(value) for value in content]
    if isinstance(content, np.generic):
        content = content.item()
    return None if isinstance(content, float) and math.isnan(content) else content

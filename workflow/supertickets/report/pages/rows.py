"""What the explorer shows, as rows: trainings, curves, tickets, and examples that tickets lose and win."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.data.examples import read_examples
from supertickets.encoder.ticket import Ticket
from supertickets.evaluation.columns import read_parquet
from supertickets.evaluation.latency import KEYS, usual_latency
from supertickets.evaluation.metric import metric_of, predicted
from supertickets.evaluation.predictions import predictions_file
from supertickets.evaluation.results import read_groups, reported_split, resampled_text
from supertickets.evaluation.significance import bounded, mean_intervals
from supertickets.experiment.grid import group_runs, groups_of
from supertickets.experiment.paths import ticket_file
from supertickets.report.figures.axes import placed

#: Horizontal axes: columns with what is left of the encoder, as shares.
AXES = ("weight", "arithmetic", "latency")
#: What names a point of a curve.
POINT = [*KEYS[:2], "split", "metric", "ratio"]
#: The most examples of each kind, lost and won, that are shown of a ticket, and letters of a text.
MOST, LETTERS = 5, 200


def read_trainings(
    results: Path, grid: Mapping[str, Any], arithmetic: Mapping[str, Any], measured: bool
) -> tuple[pd.DataFrame, str]:
    """One row for each training, split and metric.

    Args:
        results: the results folder.
        grid: the winning tickets at the main size.
        arithmetic: as :func:`~supertickets.report.figures.axes.placed` has it.
        measured: whether latency is measured.

    Returns:
        Rows of scores with ``score``; ``gain``, missing for full models; what is left in shares of the full model's
        ``weight``, ``arithmetic`` and, where it is measured, ``latency``, with its milliseconds in words (``time``).
        And what was measured where, in words.
    """
    scores = read_groups(results, "scores", groups_of(grid)).rename(columns={"weight_remaining": "weight"})
    keys = [*POINT[:-1], "seed"]
    full = scores.loc[scores["kind"] == "full", [*keys, "value"]].rename(columns={"value": "full"})
    rows = scores.merge(full, on=keys).rename(columns={"value": "score"})
    rows["gain"] = (rows["score"] - rows["full"]).where(rows["kind"] != "full")
    left = placed(results, grid, arithmetic, rows.rename(columns={"weight": "weight_remaining"}))
    rows["arithmetic"] = left.rows["weight_remaining"]
    if not measured:
        return rows, ""
    latency, text = usual_latency(results, grid)
    names = {"milliseconds": "", "milliseconds_low": " (", "milliseconds_high": " to "}
    latency["time"] = ["".join(f"{mark}{row[name]:.3g}" for name, mark in names.items()) + ") ms"
                       for _, row in latency.iterrows()]  # fmt: skip
    latency["latency"] = 1 / latency["speedup"]
    return rows.merge(latency[[*KEYS, "latency", "time"]], how="left", on=KEYS), text


def curves(trainings: pd.DataFrame, compared: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """One row for each point of a curve: the mean over seeds, with its interval.

    Args:
        trainings: as of :func:`read_trainings`.
        compared: comparisons of winning tickets, whose intervals of gains are over seeds and examples, or documents.
        chosen: the super tickets.

    Returns:
        Rows with the places of the point, ``score`` and ``gain`` with ``_low`` and ``_high``, missing where there is
        no interval; ``gain_over``: what the interval of a gain is over; and ``star``: whether this is the super ticket.
    """
    names = [name for name in AXES if name in trainings]
    rows = trainings.groupby(POINT, sort=False)[names].mean()
    for name in ("score", "gain"):
        found = mean_intervals(trainings.assign(value=trainings[name]), POINT)
        lowest = found.index.get_level_values("metric").map(lambda metric: metric_of(metric).lowest)
        rows[name] = found["mean"]
        rows[f"{name}_low"], rows[f"{name}_high"] = bounded(found, pd.Series(lowest, found.index), name == "gain")
    both = compared[compared["seeds"] > 2].set_index(POINT)[["low", "high"]].reindex(rows.index)
    first = rows.index.isin(compared.set_index(POINT).index)
    for end in ("low", "high"):
        rows[f"gain_{end}"] = both[end].where(first, rows[f"gain_{end}"])
    over = {task: f"seeds and {resampled_text(own)}" for task, own in compared.groupby("task")}
    rows["gain_over"] = np.where(first, rows.index.get_level_values("task").map(over), "seeds")
    rows["star"] = rows.reset_index().set_index(KEYS).index.isin(chosen.set_index(KEYS).index)
    return rows.reset_index()


def tickets(results: Path, grid: Mapping[str, Any], trainings: pd.DataFrame) -> pd.DataFrame:
    """One row for each ticket, full models included.

    Returns:
        Rows with model, task, seed and ratio; ``cells``: for each layer, the first one first, a 1 for each head that is
        kept and a 0 for another, and then the same for its feed-forward block; ``heads``, how many heads a layer has;
        and ``kept``: what is kept, in words.
    """
    weights = trainings.drop_duplicates([*KEYS, "seed"]).set_index([*KEYS, "seed"])["weight"]
    found = []
    for group in groups_of(grid):
        runs = [run for run in group_runs(grid, group) if run["kind"] != "full"]
        paths = {str(results / ticket_file(run)): run for run in runs}
        read = {path: Ticket.read(Path(path)) for path in paths}
        some = next(iter(read.values()))
        whole = Ticket.full(len(some.heads), some.heads_per_layer)
        pairs = [(run, read[path]) for path, run in paths.items()]
        pairs += [({**runs[0], "seed": seed, "ratio": 0.0}, whole) for seed in grid["seeds"]]
        for run, ticket in pairs:
            where = {key: run[key] for key in (*KEYS, "seed")}
            layers, heads = len(ticket.heads), ticket.heads_per_layer
            kept = f"{layers * heads - ticket.heads_pruned} of {layers * heads} heads, {len(ticket.ffn)} of {layers}"
            kept += f" blocks, {weights[tuple(where[key] for key in (*KEYS, 'seed'))]:.0%} weight"
            found.append({**where, "cells": cells(ticket), "heads": heads, "kept": kept})
    return pd.DataFrame(found)


def cells(ticket: Ticket) -> str:
    """Which units a ticket keeps, as ``cells`` of :func:`tickets`."""
    return "".join(
        "".join(str(int(head in kept)) for head in range(ticket.heads_per_layer)) + str(int(layer in ticket.ffn))
        for layer, kept in enumerate(ticket.heads)
    )


@dataclass(frozen=True)
class Answers:
    """What a training answers to the examples of the reported split.

    Attributes:
        table: its predictions, in their order.
        labels: names of the classes; none for a regression.
    """

    table: pd.DataFrame
    labels: Sequence[str]

    @property
    def values(self) -> np.ndarray:
        """Class indices, or values."""
        return predicted(np.stack(self.table["logits"].tolist()))

    @property
    def errors(self) -> np.ndarray:
        """How far each answer is from the right one: one minus its probability, or the absolute difference."""
        logits = np.stack(self.table["logits"].tolist()).astype(float)
        right = self.table["label"].to_numpy()
        if logits.shape[1] == 1:
            return np.abs(logits[:, 0] - right)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return 1 - odds[np.arange(len(odds)), right.astype(int)] / odds.sum(axis=1)

    def texts(self, values: np.ndarray) -> list[str]:
        """Answers in words."""
        return [self.labels[int(value)] if self.labels else f"{value:.2f}" for value in values]


def examples(
    results: Path, grid: Mapping[str, Any], labels: Mapping[str, Sequence[str]]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Examples that each ticket loses and wins against the full model of its seed, on the reported split.

    Of a classification: those that one answers right and the other wrong. Of a regression: those where the error
    grows or shrinks. The :data:`MOST` whose error changes most are shown.

    Args:
        results: the results folder.
        grid: the winning tickets at the main size.
        labels: by task the names of its classes; none for a regression.

    Returns:
        ``changes``: for each ticket the numbers, in words (``counts``). ``examples``: those that are shown, with
        ``place``, ``what`` (lost or won), ``right``, ``full`` and ``ticket``: the answers, and ``key``, that of their
        row in ``texts``, which has ``id`` and ``text``.
    """
    changes, shown = [], []
    keys: dict[tuple[str, str, str], int] = {}
    for group in groups_of(grid):
        task = group["task"]
        for full, run, split in pairs_of(results, grid, group, labels[task]):
            where = {key: run[key] for key in (*KEYS, "seed")}
            lost, won = lost_and_won(full, run["answers"])
            of = "errors grow, {} shrink" if not full.labels else "lost, {} won"
            counts = f"{len(lost)} {of.format(len(won))}, of {len(full.table):,} {split} examples"
            changes.append({**where, "counts": counts})
            picked = [("lost", row) for row in lost[:MOST]] + [("won", row) for row in won[:MOST]]
            rows = np.array([row for _, row in picked], dtype=int)
            answers = (
                full.texts(full.table["label"].to_numpy()[rows]), full.texts(full.values[rows]),
                full.texts(run["answers"].values[rows]),
            )  # fmt: skip
            for place, ((what, row), *texts) in enumerate(zip(picked, *answers, strict=True)):
                key = keys.setdefault((task, split, full.table["id"].iloc[row]), len(keys))
                row_texts = dict(zip(("right", "full", "ticket"), texts, strict=True))
                shown.append({**where, "place": place, "what": what, **row_texts, "key": key})
    return pd.DataFrame(changes), pd.DataFrame(shown), texts_of(results, keys)


def pairs_of(
    results: Path, grid: Mapping[str, Any], group: Mapping[str, Any], labels: Sequence[str]
) -> Iterator[tuple[Answers, dict[str, Any], str]]:
    """The answers of the full model of each seed, each of its tickets with its ``answers``, and the reported split."""
    for run in group_runs(grid, group):  # each seed's full model comes first
        table = read_parquet(predictions_file(results, run), ["id", "split", "label", "logits"])
        split = reported_split(table["split"].unique())
        answers = Answers(table[table["split"] == split].reset_index(drop=True), labels)
        if run["kind"] == "full":
            full = answers
        else:
            yield full, {**run, "answers": answers}, split


def lost_and_won(full: Answers, ticket: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Rows of examples that a ticket loses and wins, those first whose error changes most."""
    change = ticket.errors - full.errors
    lost, won = change > 0, change < 0
    if full.labels:
        right = full.table["label"].to_numpy()
        was, is_now = full.values == right, ticket.values == right
        lost, won = was & ~is_now, ~was & is_now
    order = np.argsort(-change, kind="stable")
    return order[lost[order]], order[::-1][won[order[::-1]]]


def texts_of(results: Path, keys: Mapping[tuple[str, str, str], int]) -> pd.DataFrame:
    """Ids and texts of some examples, by their ``key``; long texts are cut.

    Args:
        results: the results folder, with tasks.
        keys: key of each task, split and id.
    """
    found = []
    for task in dict.fromkeys(task for task, *_ in keys):
        columns = ("id", "split", "text", "text_pair")
        table = read_examples(results / "tasks" / f"{task}.parquet", *columns).to_pandas()
        texts = {
            (split, name): " | ".join(text for text in parts if isinstance(text, str))
            for split, name, *parts in table[["split", "id", "text", "text_pair"]].itertuples(index=False)
        }
        for (_, split, name), key in ((each, key) for each, key in keys.items() if each[0] == task):
            text = texts.get((split, name), "")
            found.append({"key": key, "id": name, "text": text if len(text) <= LETTERS else f"{text[:LETTERS]}…"})
    return pd.DataFrame(found, columns=["key", "id", "text"])

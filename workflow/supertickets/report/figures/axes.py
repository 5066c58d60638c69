"""The horizontal axis of curves: weight remaining or, as shares of the full model's, arithmetic or latency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.encoder.arithmetic import multiply_adds
from supertickets.encoder.ticket import Shape
from supertickets.evaluation.latency import KEYS, usual_latency
from supertickets.experiment.paths import SHAPE
from supertickets.report.figures.panels import WEIGHT


@dataclass(frozen=True)
class Horizontal:
    """What a curve is drawn against.

    Attributes:
        rows: of the curve, with its places in the column ``weight_remaining``.
        label: of the axis.
        remark: for the note of the figure; empty for weight remaining.
    """

    rows: pd.DataFrame
    label: str
    remark: str = ""


def placed(results: Path, grid: Mapping[str, Any], axis: Mapping[str, Any], rows: pd.DataFrame) -> Horizontal:
    """Give the rows of curves their places on the axis that the config asks for.

    Args:
        results: the results folder, with dimensions of encoders, or measured latency.
        grid: the winning tickets at the main size.
        axis: ``x`` (``weight``, ``arithmetic`` or ``latency``); for arithmetic also ``length`` of an example in
            tokens, and ``outputs`` by task.
        rows: with model, task, ratio, ``heads_pruned``, ``ffn_pruned`` and ``weight_remaining``.
    """
    if axis["x"] == "arithmetic":
        tokens = axis["length"]
        remark = f" Arithmetic: multiply-adds of an example of {tokens} tokens, as a share of the full model's."
        shares = _arithmetic(results, axis, rows)
        return Horizontal(rows.assign(weight_remaining=shares), "arithmetic remaining", remark)
    if axis["x"] == "latency":
        table, measured = usual_latency(results, grid)
        shares = 1 / table.set_index(KEYS)["speedup"]
        places = pd.MultiIndex.from_frame(rows[KEYS])
        remark = f" Latency, as a share of the full model's: {measured}."
        return Horizontal(rows.assign(weight_remaining=shares.reindex(places).to_numpy()), "latency remaining", remark)
    return Horizontal(rows, WEIGHT)


def _arithmetic(results: Path, axis: Mapping[str, Any], rows: pd.DataFrame) -> pd.Series:
    """Share of the multiply-adds that is left, of each row."""
    shares = pd.Series(1.0, rows.index)
    for (model, task), part in rows.groupby(["model", "task"]):
        outputs = axis["outputs"][task]
        shape = Shape.read(results / SHAPE.format(model=model), outputs)
        all_heads, length = shape.layers * shape.heads, axis["length"]
        full = multiply_adds(shape, all_heads, shape.layers, length, outputs)
        heads, blocks = all_heads - part["heads_pruned"], shape.layers - part["ffn_pruned"]
        shares[part.index] = multiply_adds(shape, heads, blocks, length, outputs) / full
    return shares

"""Page: every training of the main figure to choose from, with its mask, and the examples that it loses and wins."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import altair
import pandas as pd
import vl_convert

from supertickets.evaluation.latency import KEYS
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.results import ratio_of_seed, read_groups, reported_split, resampled_text
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import by_seed, groups_of, ratios_of
from supertickets.experiment.train_sizes import size_text
from supertickets.report.figures.panels import WEIGHT, margins_text
from supertickets.report.html import write_html
from supertickets.report.pages.charts import controls, explorer_chart
from supertickets.report.pages.rows import AXES, MOST, POINT, at_most, curves, examples, read_trainings, tickets

log = logging.getLogger(__name__)

#: The largest page, in bytes, that Chromium shows in a report of one file.
SHOWN = 1_500_000
#: Columns of scores that the page does not need.
UNSHOWN = ["train_size", "kind", "draw", "heads_pruned", "ffn_pruned", "precision", "examples", "full"]

BODY = """
{% block style %}
#controls {display: flex; flex-wrap: wrap; gap: 8px 18px; margin: 12px 0; font-size: 14px}
#controls select {font-size: 14px; padding: 2px; margin-left: 4px}
#controls .vega-bind-name {font-weight: 600}
#chart {overflow-x: auto; width: 100%}
main {max-width: 1110px}
{% endblock %}
{% block body %}
<p class="lead">Choose what to see, and click on a small dot, the training of a seed: its mask is shown beside the
curve, and below the examples that it loses and wins.</p>
<div id="controls"></div>
<div id="chart"></div>
<p class="note">{{ note }}</p>
<p class="note">{{ undefined }}</p>
<script>{{ bundle|safe }}</script>
<script type="application/json" id="specification">{{ specification|tojson }}</script>
<script>
const specification = JSON.parse(document.getElementById("specification").textContent);
const options = {mode: "vega-lite", renderer: "svg", bind: "#controls",
                 actions: {export: true, source: false, compiled: false, editor: false}};
vegaEmbed("#chart", specification, options);
</script>
{% endblock %}
"""


def write_explorer(
    results: Path,
    grid: dict[str, Any],
    margins: dict[str, float],
    definitions: dict[str, Any],
    arithmetic: dict[str, Any],
    html: Path,
    measured: bool = False,
) -> None:
    """Write an interactive page that needs no network; fewer examples are shown where it would be too large.

    Args:
        results: the results folder, with scores, comparisons, selections, tickets, predictions and tasks.
        grid: the winning tickets at the main size.
        margins: by task the loss, in points, that still counts as kept.
        definitions: definitions of the tasks, by name.
        arithmetic: as :func:`~supertickets.report.figures.axes.placed` has it.
        html: file to write.
        measured: whether latency is measured.
    """
    compared, chosen = (read_groups(results, folder, groups_of(grid)) for folder in ("comparisons", "selections"))
    trainings, latency = read_trainings(results, grid, arithmetic, measured)
    changes, changed, texts = examples(results, grid, {task: definitions[task].get("labels", []) for task in margins})
    kept = tickets(results, grid, trainings).merge(changes, how="left").fillna({"counts": "This is the full model."})
    kept["words"] = kept["task"] + ", seed " + kept["seed"].astype(str) + ", " + kept["ratio"].map(ratio_text)
    kept["words"] += ": " + kept["kept"]
    points = curves(trainings, compared, chosen)
    where = [*KEYS, "seed"]
    datasets = {
        "trainings": trainings.drop(columns=UNSHOWN).merge(kept[[*where, "kept"]], on=where),
        "curves": points,
        "full": full_models(points, margins, compared),
        "tickets": kept.drop(columns="kept"),
    }
    axes = {"weight": WEIGHT, "arithmetic": "arithmetic remaining", "latency": "latency remaining"}
    axes = {name: label for name, label in axes.items() if name in trainings}
    version = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    specification = explorer_chart(
        controls(grid["models"], grid["tasks"], metric_names(trainings), of_tasks(trainings), axes),
        first_ticket(chosen.iloc[0], grid),
        measured,
    )
    explained = note(grid, margins, resampled_text(compared), arithmetic, latency)
    bundle = vl_convert.javascript_bundle(None, vl_version=version)
    for most in range(MOST, -1, -1):
        shown = datasets | dict(zip(("examples", "texts"), at_most(most, changed, texts), strict=True))
        write_html(
            html,
            f"Explorer: winning tickets of {', '.join(grid['models'])}",
            BODY,
            note=f"{explained} Of a ticket, up to {most} lost and {most} won examples are shown.",
            undefined=undefined_text(trainings),
            bundle=bundle,
            specification={**specification, "datasets": {name: records(table) for name, table in shown.items()}},
        )
        if (size := html.stat().st_size) <= SHOWN:
            return
    log.warning(f"{html}: {size / 1e6:.1f} MB, too large for Chromium in report.html; take report.zip")


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them: not-a-number, which charts leave out, is null."""
    return json.loads(table.to_json(orient="records", double_precision=4))


def ratio_text(ratio: float) -> str:
    """A ratio in words; that of a full model is 0."""
    return f"ratio {ratio:g}" if ratio else "full model"


def metric_names(trainings: pd.DataFrame) -> dict[str, dict[str, str]]:
    """What controls and the vertical axis say of each metric."""
    found = {}
    for name in trainings["metric"].unique():
        metric = metric_of(name)
        found[name] = {"name": metric.name, "score": metric.label, "gain": f"{metric.name}: gain (points)"}
    return found


def of_tasks(trainings: pd.DataFrame) -> dict[str, dict[str, list[str]]]:
    """The metrics and splits of each task, those that are reported first."""
    found = {}
    for task, rows in trainings.groupby("task", sort=False):
        splits = sorted(rows["split"].unique(), key=lambda split: split != reported_split(rows["split"].unique()))
        found[task] = {"metrics": [*rows["metric"].unique()], "splits": splits}
    return found


def first_ticket(ticket: pd.Series, grid: Mapping[str, Any]) -> dict[str, Any]:
    """Seed and ratio of the ticket that is shown first: the super ticket, or the heaviest where there is none."""
    seed = grid["seeds"][0]
    ratio = ratio_of_seed(ticket, seed)
    return {"seed": seed, "ratio": ratios_of(grid["ratios"], ticket["model"])[0] if math.isnan(ratio) else ratio}


def full_models(points: pd.DataFrame, margins: Mapping[str, float], compared: pd.DataFrame) -> pd.DataFrame:
    """What is drawn across a curve: the full model's score with its interval; for gains, zero with the margin below."""
    full = points[points["ratio"] == 0].drop(columns=[*AXES, "ratio", "star", "gain_over"], errors="ignore")
    judged = full.set_index(POINT[:-1]).index.isin(compared.set_index(POINT[:-1]).index)
    low = -full["task"].map(margins).where(judged)  # the margin is of the first metric alone
    return full.assign(gain=0.0, gain_low=low, gain_high=low * 0)


def note(
    grid: Mapping[str, Any], margins: Mapping[str, float], resampled: str, arithmetic: Mapping[str, Any], latency: str
) -> str:
    """Explain the marks and the axes; ``resampled`` says what intervals of gains are over, beside seeds."""
    seeds = len(grid["seeds"])
    spread = f"means over {seeds} seeds with {LEVEL:.0%} intervals: of gains by the task's first metric over seeds and "
    spread += f"{resampled}, of all else Student's t over seeds"
    if seeds < 3:
        spread = "the one seed" if seeds == 1 else "means over 2 seeds, whose intervals are too long to be drawn"
    star = "the super ticket, which has the best mean validation score"
    if by_seed(grid):
        star = "the ratio with the best mean validation score; each seed has a super ticket of its own ratio"
    text = (
        f"All tickets are of {size_text(str(grid['train_sizes'][0]))}. Line: {spread}. Small dots: single trainings. "
        f"Star: {star}. Grey: the full model; the band is the "
        f"interval of its score or, below a gain of zero, the margin ({margins_text(margins, grid['tasks'])}). What is "
        "left is counted in shares of the full model. Arithmetic: multiply-adds of an example of "
        f"{arithmetic['length']} tokens."
    )
    return text + f" Latency: {latency}." * bool(latency)


def undefined_text(trainings: pd.DataFrame) -> str:
    """Say which scores are undefined, and so missing; empty where none is."""
    undefined = trainings["score"].isna()
    counts = undefined.groupby([trainings["task"], trainings["metric"]], sort=False).agg(["sum", "size"])
    what = [
        f"{row['sum']} of {row['size']} scores of {task} by {metric_of(metric).name}"
        for (task, metric), row in counts.iterrows()
        if row["sum"]
    ]
    return f"Not drawn, as undefined (the same prediction for all examples): {', '.join(what)}." if what else ""

"""Page: the experiment, its verdicts, and what to do next, in words."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from supertickets.evaluation.gain import HONEST
from supertickets.evaluation.judge import corrected, with_verdicts
from supertickets.evaluation.latency import KEYS, usual_latency, with_measured_weight
from supertickets.evaluation.metric import metric_of
from supertickets.evaluation.results import read_groups, resampled_text
from supertickets.evaluation.significance import LEVEL
from supertickets.experiment.grid import by_seed, groups_of, ratios_of
from supertickets.experiment.train_sizes import size_text
from supertickets.report.figures.panels import margins_text
from supertickets.report.html import write_html
from supertickets.report.tables.formats import POINTS, SCORE, between, with_intervals
from supertickets.report.tables.super_tickets import full_choice_text

#: How a verdict begins that says what it lacks: a full model that has learned, seeds, documents, or power.
UNTRAINED, ONE_SEED, ONE_DOCUMENT, UNDECIDED = STARTS = (
    "the full model",
    "no verdict from one seed",
    "no verdict from one document",
    "undecided",
)

#: Added where each seed has a super ticket of its own ratio: what stands beside a gain or a speed-up is of one ticket.
OWN_RATIOS = (
    "Each seed chose another by its own score, too (ratio by seed); ratio, weight and speed-up are of the one that all "
    "chose together. "
)

BODY = """
{% block body %}
<p class="lead">How far can {{ models|join(" or ") }} be cut before
{{ "it gets" if models|length == 1 else "they get" }} worse, or better?</p>

<h2>Verdicts</h2>
<ul>
{% for row in found -%}
<li><strong>{{ row.name }}</strong>: {{ row.verdict }}.</li>
{% endfor -%}
</ul>
<p class="note">A ticket is what is left of the encoder when its least important attention heads and feed-forward blocks
are pruned. It is trained again from the pre-trained weights. <em>Keeps</em>: every ticket down to that weight is shown
to lose less than the margin, {{ margins }} (one-sided, Holm over ratios). <em>Gains</em>: the super ticket is
significantly better than the full models of the same seeds (Holm, over tasks). <em>Loses</em>: the lightest pruning
that is significantly worse (Holm, over ratios and tasks); <em>undecided above</em>: of some lighter pruning
nothing is shown. All tests are at {{ level }}, over seeds and {{ resampled }} together.</p>

{{ table(heads, rows) }}
<p class="note">The super ticket is the ticket with the best mean validation score. {{ choice }}Full
model, super ticket and gain are means over seeds on examples and trainings that were not used to choose it: for each
seed the ticket that the other seeds chose. The star in the curve is at the ratio in the table, which all seeds
chose together. {{ intervals }}{{ latency }}</p>

<h2>The curve</h2>
<figure>
<img alt="Score of the winning tickets against weight remaining" src="data:image/png;base64,{{ figure }}">
<figcaption>{{ caption }}</figcaption>
</figure>
<p>The page <em>explorer</em> has the same trainings one by one: what each scores, which heads and blocks it keeps, and
which examples it loses and wins against its full model.</p>

<h2>The experiment</h2>
<ul>
<li>{{ "Encoder" if models|length == 1 else "Encoders" }}: {{ models|join(", ") }}, trained on {{ size }}
in {{ precisions }}.</li>
<li>{{ seeds|length }} {{ "seed" if seeds|length == 1 else "seeds" }}: {{ seeds|join(", ") }}. A seed draws the training
examples and the order in which they are seen.</li>
{% for model, ratios in ratios.items() -%}
<li>Pruned at {{ ratios|length }} {{ "ratio" if ratios|length == 1 else "ratios" }}
{%- if models|length > 1 %} ({{ model }}){% endif %}: {{ ratios|join(", ") }}.</li>
{% endfor -%}
<li>{{ trainings }} trainings in this page: a full model and a ticket of every ratio for each seed.</li>
</ul>
{{ table(task_heads, tasks) }}
<p class="note">Scored: examples that every training predicts. The first metric chooses and is judged. Chance: the best
score of one answer to all examples.</p>

<h2>What to do next</h2>
<p>Run commands in the folder that holds <code>results/</code>, with the <code>--configfile</code> of this experiment if
it has one. Existing results are not made again.</p>
{% for words, command in steps -%}
<p>{{ words }}</p>
{%- if command %}<pre><code>{{ command }}</code></pre>{% endif %}
{% endfor -%}
{% endblock %}
"""


def write_start(
    results: Path,
    grid: dict[str, Any],
    margins: dict[str, float],
    definitions: dict[str, Any],
    caption: str,
    kinds: list[str],
    html: Path,
    measured: bool = False,
) -> None:
    """Write the page that a report begins with.

    Args:
        results: the results folder, with scores, comparisons and selections, and the main figure.
        grid: the winning tickets at the main size.
        margins: by task the loss, in points, that still counts as kept.
        definitions: definitions of the tasks, by name.
        caption: of the main figure.
        kinds: all kinds of tickets of the experiment.
        html: file to write.
        measured: whether latency is measured.
    """
    groups = groups_of(grid)
    scores, compared, chosen = (
        read_groups(results, folder, groups) for folder in ("scores", "comparisons", "selections")
    )
    judged = with_measured_weight(with_verdicts(chosen, corrected(compared), margins), compared)
    several = len(grid["models"]) > 1
    latency, latency_text = usual_latency(results, grid) if measured else (None, "")
    heads, rows = super_tickets(judged, latency, several)
    task_heads, tasks = scored_tasks(scores, judged, definitions)
    figure = (results / "figures" / "phase_transition.png").read_bytes()
    write_html(
        html,
        f"Super tickets of {listed(grid['models'])} on {listed(grid['tasks'])}",
        BODY,
        models=grid["models"],
        precisions=listed(scores["precision"].unique()),
        found=[{"name": name_of(row, several), "verdict": row["verdict"]} for _, row in judged.iterrows()],
        margins=margins_text(margins, grid["tasks"]),
        level=f"{1 - LEVEL:.0%}",
        resampled=resampled_text(compared),
        heads=heads,
        rows=rows,
        choice=(OWN_RATIOS if by_seed(grid) else "") + full_choice_text(grid),
        intervals=intervals_text(len(grid["seeds"]), resampled_text(compared)),
        latency=f" Speed-up: measured, with its interval, of {latency_text}." if measured else "",
        figure=b64encode(figure).decode(),
        caption=caption,
        size=size_text(str(grid["train_sizes"][0])),
        seeds=grid["seeds"],
        ratios={model: ratios_of(grid["ratios"], model) for model in distinct_ratios(grid)},
        trainings=f"{len(scores.drop_duplicates([*KEYS, 'seed'])):,}",
        task_heads=task_heads,
        tasks=tasks,
        steps=steps(judged, grid, kinds, measured),
    )


def listed(names: Iterable[str]) -> str:
    """Names as in a sentence: ``a, b and c``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def name_of(row: pd.Series, several: bool) -> str:
    """The name of a row's task, with its model where there are several."""
    return f"{row['task']} ({row['model']})" if several else str(row["task"])


def distinct_ratios(grid: Mapping[str, Any]) -> list[str]:
    """The models whose ratios are to be listed: all where these differ, one otherwise."""
    models = grid["models"]
    return models if len({tuple(ratios_of(grid["ratios"], model)) for model in models}) > 1 else models[:1]


def intervals_text(seeds: int, resampled: str) -> str:
    """Say what the intervals are."""
    if seeds < 3:
        return "One seed has no intervals." if seeds == 1 else "Intervals of two seeds are too long to be shown."
    return f"In brackets: the {LEVEL:.0%} interval, over seeds and {resampled}."


def super_tickets(
    judged: pd.DataFrame, latency: pd.DataFrame | None, several: bool
) -> tuple[list[tuple[str, bool]], list[list[str]]]:
    """Heads and rows of the table of super tickets.

    Args:
        judged: super tickets with verdicts.
        latency: as of :func:`~supertickets.evaluation.latency.usual_latency`; None where there is none.
        several: whether there are several models.
    """
    texts = pd.DataFrame({"Model": judged["model"], "Task": judged["task"]})
    texts["Score"] = [f"{row['split']} {metric_of(row['metric']).label}" for _, row in judged.iterrows()]
    numbers = {"Full model": f"full_{HONEST}", "Super ticket": f"ticket_{HONEST}"}
    for head, name in numbers.items():
        texts[head] = ["undefined" if pd.isna(value) else f"{value:{SCORE}}" for value in judged[name]]
    texts["Gain"] = with_intervals(judged, [f"{name}_{HONEST}" for name in ("difference", "low", "high")], POINTS)
    texts["Ratio"] = ["" if pd.isna(ratio) else f"{ratio:g}" for ratio in judged["ratio"]]
    if "ratios" in judged:
        texts["Ratio by seed"] = judged["ratios"].fillna("")
    texts["Weight"] = ["" if pd.isna(weight) else f"{weight:.0%}" for weight in judged["weight_remaining"]]
    if latency is not None:
        faster = judged[KEYS].merge(latency, how="left", on=KEYS)
        ends = between(faster, "speedup_low", "speedup_high", ".2f")
        pairs = zip(faster["speedup"], ends, strict=True)
        texts["Speed-up"] = ["" if pd.isna(times) else f"{times:.2f} ({end})" for times, end in pairs]
    if not several:
        texts = texts.drop(columns="Model")
    return [(head, head not in ("Model", "Task", "Score")) for head in texts], texts.to_numpy().tolist()


def scored_tasks(
    scores: pd.DataFrame, judged: pd.DataFrame, definitions: Mapping[str, Any]
) -> tuple[list[tuple[str, bool]], list[list[str]]]:
    """Heads and rows of the table of tasks: what each asks, how many examples are scored, and how."""
    splits = list(dict.fromkeys(scores["split"].sort_values(ascending=False)))
    heads = [("Task", False), ("Asks for", False), *((f"{split} scored", True) for split in splits)]
    rows = []
    for task, of_task in scores.groupby("task", sort=False):
        labels = definitions[task].get("labels")
        counts = of_task.groupby("split")["examples"].max()
        metrics = ", ".join(metric_of(name).name for name in of_task["metric"].unique())
        chance = judged.loc[judged["task"] == task, "chance"].max()
        rows.append([
            task, f"one of {', '.join(map(str, labels))}" if labels else "a number",
            *(f"{counts[split]:,}" if split in counts else "" for split in splits),
            metrics, "undefined" if pd.isna(chance) else f"{chance:{SCORE}}",
        ])  # fmt: skip
    return [*heads, ("Metrics", False), ("Chance", True)], rows


def steps(judged: pd.DataFrame, grid: Mapping[str, Any], kinds: Iterable[str], measured: bool) -> list[tuple[str, str]]:
    """What to do next: words, and a command where there is one."""
    several = len(grid["models"]) > 1
    begins = {
        start: [name_of(row, several) for _, row in judged.iterrows() if row["verdict"].startswith(start)]
        for start in STARTS
    }
    found: list[tuple[str, str]] = []
    if weak := begins[UNTRAINED]:
        words = f"No pruning can be judged on {listed(weak)}: the full models are not shown to have learned anything."
        found.append((f"{words} Train on more examples, for more epochs or at another learning rate.", ""))
    if begins[ONE_SEED]:
        words = "One seed gives no verdict. List ten or more under seeds in the config:"
        found.append((words, "snakemake --cores all results/figures/phase_transition.pdf results/pages/start.html"))
    if few := begins[ONE_DOCUMENT]:
        words = f"One document gives no verdict on {listed(few)}. Give the part that is reported several documents."
        found.append((words, ""))
    if open_ones := begins[UNDECIDED]:
        words = f"{listed(open_ones)}: undecided. This table says how many seeds or examples would decide:"
        found.append((words, "snakemake --cores all results/tables/power.md"))
    if len([*kinds]) > 1:
        words = "Is it the choice of units, or would any others do? Train random tickets and others, and compare:"
        found.append((words, "snakemake --cores all results/figures/ticket_kinds.pdf results/tables/phases.md"))
    if not measured:
        words = "How much faster are the tickets here, and are they worth it? Measure, while nothing else runs:"
        found.append((words, "snakemake --cores all results/tables/worth.md results/figures/speed.pdf"))
    else:
        words = "Are the tickets worth it, in score and speed, on this machine?"
        found.append((words, "snakemake --cores all results/tables/worth.md"))
    if len(chosen := judged.dropna(subset="ratio")):
        model, task = chosen.iloc[0][["model", "task"]]
        folder = f"results/exports/{model}/{task}/super"
        found.append((
            "A model to use, with its card; other models and tasks by their names in the path:",
            f"snakemake --cores all {folder}/cut/config.json {folder}/README.md",
        ))  # fmt: skip
    found.append(("Every figure and table, of all sizes, kinds and tasks:", "snakemake --cores all"))
    return [*found, ("One file to send, with whatever is there by then:", "snakemake --report report.html")]

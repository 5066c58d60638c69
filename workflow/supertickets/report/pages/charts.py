"""The explorer's chart: a curve, the mask of the ticket that is clicked in it, and the examples that this one changes.

The chart names its data; what each table holds is in :mod:`supertickets.report.pages.rows`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

#: Colours of the figures, from seaborn's colour-blind palette: tickets, super ticket, full model, and pruned units.
BLUE, ORANGE, GREY, PALE = "#0173b2", "#d55e00", "#595959", "#ececec"
#: What alt.layer returns.
Layers = alt.LayerChart | alt.FacetChart
#: Path of a star.
STAR = "M0,-1L0.23,-0.32L0.95,-0.31L0.37,0.12L0.59,0.81L0,0.4L-0.59,0.81L-0.37,0.12L-0.95,-0.31L-0.23,-0.32Z"
#: Width of the curve and of the mask, and the height of both; of a line of an example, in pixels.
WIDTH, MASK_WIDTH, HEIGHT, LINE = 540, 330, 330, 18
#: Horizontal places of the columns of examples.
COLUMNS = {"what": 0, "id": 42, "right": 160, "full": 260, "ticket": 360, "text": 460}
HEADS = ("", "example", "right answer", "full model", "ticket", "text")
#: Which rows are of the chosen curve, and which of its tickets: the controls filter by these columns.
CURVE = "datum.model == chosen_model && datum.task == chosen_task"
SHOWN = f"{CURVE} && datum.metric == shown_metric && datum.split == shown_split"
PLACED, ENDS = "isValid(datum.x) && isValid(datum.y)", "isValid(datum.low) && isValid(datum.high)"


def named(name: str) -> alt.Chart:
    """A chart of one of the page's tables."""
    return alt.Chart(alt.NamedData(name))


def controls(
    models: Sequence[str], tasks: Sequence[str], metrics: Mapping[str, Mapping[str, str]],
    of_task: Mapping[str, Mapping[str, Sequence[str]]], axes: Mapping[str, str],
) -> list[dict[str, Any]]:  # fmt: skip
    """Vega's parameters: what readers choose, and what is shown of it.

    Args:
        models, tasks: names.
        metrics: by name of a metric what the vertical axis says of its ``score`` and ``gain``.
        of_task: by task its ``metrics`` and ``splits``, those first that are shown where it lacks what is chosen.
        axes: by name of a horizontal axis what it says.
    """
    splits = list(dict.fromkeys(split for each in of_task.values() for split in each["splits"]))
    choices = [
        ("chosen_model", "Model", {name: name for name in models}),
        ("chosen_task", "Task", {name: name for name in tasks}),
        ("chosen_metric", "Metric", {name: labels["name"] for name, labels in metrics.items()}),
        ("chosen_split", "Split", {name: name for name in splits}),
        ("chosen_show", "Show", {"gain": "gain over the full model", "score": "score"}),
        ("chosen_axis", "Against", dict(axes)),
    ]
    params: list[dict[str, Any]] = [
        {"name": name, "value": next(iter(options)), "bind": {"input": "select", "name": label, "options": [*options],
                                                              "labels": [*options.values()]}}
        for name, label, options in choices
    ]  # fmt: skip
    params += [{"name": name, "value": values}
               for name, values in (("names_of", metrics), ("of_task", of_task), ("axis_names", axes))]  # fmt: skip
    for one in ("metric", "split"):
        known = f"of_task[chosen_task].{one}s"
        expression = f"indexof({known}, chosen_{one}) < 0 ? {known}[0] : chosen_{one}"
        params.append({"name": f"shown_{one}", "expr": expression})
    return params


def curve_chart(picked: alt.Parameter, measured: bool) -> Layers:
    """Scores or gains against what is left of the encoder: means with intervals, and a dot for each training."""
    x = alt.X("x:Q", title=None, axis=alt.Axis(format="%", grid=True)).scale(
        reverse=True, zero=False, nice=False, padding=8
    )
    y = alt.Y("y:Q", title=None).scale(zero=False, padding=10)
    places = {"x": "datum[chosen_axis]", "y": "datum[chosen_show]"}
    ends = {end: f"datum[chosen_show + '_{end}']" for end in ("low", "high")}
    over = "chosen_show == 'gain' ? datum.gain_over : 'seeds'"
    full = named("full").transform_filter(SHOWN).transform_calculate(x="1", y="datum[chosen_show]", **ends)
    means = named("curves").transform_filter(SHOWN).transform_calculate(**places, **ends, over=over)
    means = means.transform_filter(PLACED)
    dots = named("trainings").transform_filter(SHOWN).transform_calculate(**places).transform_filter(PLACED)
    about = [
        alt.Tooltip("ratio:Q", format=".2f"), alt.Tooltip("score:Q", format=".1f"),
        alt.Tooltip("gain:Q", format="+.1f"), alt.Tooltip("weight:Q", format=".1%"),
        alt.Tooltip("arithmetic:Q", format=".1%"), *([alt.Tooltip("time:N", title="latency")] if measured else []),
    ]  # fmt: skip
    counts = [alt.Tooltip("seed:Q"), alt.Tooltip("kept:N", title="keeps")]
    interval = [alt.Tooltip("low:Q", format=".1f"), alt.Tooltip("high:Q", format=".1f"), alt.Tooltip("over:N")]
    return alt.layer(
        full.transform_filter(ENDS).mark_rect(color=GREY, opacity=0.15).encode(y=alt.Y("low:Q"), y2="high:Q"),
        full.mark_rule(color=GREY, strokeDash=[5, 3]).encode(y=y),
        full.mark_point(color=GREY, filled=True, size=50, opacity=1).encode(x=x, y=y),
        means.mark_line(color=BLUE).encode(x=x, y=y, order="x:Q"),
        means.transform_filter(ENDS).mark_rule(color=BLUE).encode(x=x, y=alt.Y("low:Q", title=None), y2="high:Q"),
        means.mark_circle(color=BLUE, size=50, opacity=1).encode(x=x, y=y, tooltip=[*about, *interval]),
        means.transform_filter("datum.star")
        .mark_point(shape=STAR, color=ORANGE, filled=True, size=420, opacity=1, stroke="white", strokeWidth=1)
        .encode(x=x, y=y, tooltip=[*about, *interval]),
        dots.mark_circle(color=BLUE, size=70, opacity=0.35, cursor="pointer")
        .encode(x=x, y=y, tooltip=[*counts, *about])
        .add_params(picked),
        dots.transform_filter(picked).mark_point(color=ORANGE, size=170, strokeWidth=2).encode(x=x, y=y),
        alt.Chart(alt.Data(values=[{}])).mark_text(baseline="top", color="#222").encode(
            x=alt.value(WIDTH / 2), y=alt.value(HEIGHT + 26), text=alt.value(alt.expr("axis_names[chosen_axis]"))
        ),
    ).properties(
        width=WIDTH,
        height=HEIGHT,
        title=alt.Title(alt.expr("shown_split + ' ' + names_of[shown_metric][chosen_show]"), anchor="start", offset=24),
    )  # fmt: skip


def mask_chart(picked: alt.Parameter) -> Layers:
    """The heads and blocks that the clicked ticket keeps: layer 1 at the bottom, blocks in a column at the right."""
    ticket = named("tickets").transform_filter(CURVE).transform_filter(picked)
    units = (
        ticket.transform_calculate(cell="split(datum.cells, '')")
        .transform_flatten(["cell"])
        .transform_window(number="row_number()")
        .transform_calculate(
            layer="floor((datum.number - 1) / (datum.heads + 1)) + 1",
            place="(datum.number - 1) % (datum.heads + 1) + 1",
        )
        .transform_calculate(
            unit="datum.place > datum.heads ? 'FFN' : '' + datum.place", state="datum.cell == '1' ? 'kept' : 'pruned'"
        )
    )
    rectangles = units.mark_rect(stroke="white").encode(
        x=alt.X("unit:O", title="head, and feed-forward block (FFN)", sort=alt.EncodingSortField("place", "min")).axis(
            labelAngle=0
        ),
        y=alt.Y("layer:O", title="layer", sort="descending"),
        color=alt.Color("state:N", legend=None).scale(domain=["kept", "pruned"], range=[BLUE, PALE]),
        tooltip=["layer:O", "unit:N", "state:N"],
    )
    words = ticket.mark_text(align="left", baseline="bottom", color=GREY).encode(
        x=alt.value(0), y=alt.value(-6), text="words:N"
    )
    title = alt.Title("Mask of the clicked ticket (blue: kept)", anchor="start", offset=8, frame="group")
    return alt.layer(rectangles, words).properties(width=MASK_WIDTH, height=HEIGHT - 40, title=title)


def examples_chart(picked: alt.Parameter) -> Layers:
    """Examples that the clicked ticket loses and wins against the full model of its seed."""
    shown = (
        named("examples")
        .transform_filter(CURVE)
        .transform_filter(picked)
        .transform_lookup("key", alt.LookupData(data=alt.NamedData("texts"), key="key", fields=["id", "text"]))
    )
    widths = [*COLUMNS.values(), WIDTH + MASK_WIDTH + 100]
    layers = [
        named("tickets").transform_filter(CURVE).transform_filter(picked)
        .mark_text(align="left", color=GREY).encode(x=alt.value(0), y=alt.value(-30), text="counts:N")
    ]  # fmt: skip
    for place, (name, x) in enumerate(COLUMNS.items()):
        limit = widths[place + 1] - x - 8
        text = shown.mark_text(align="left", baseline="middle", limit=limit).encode(
            x=alt.value(x), y=alt.Y("place:O", axis=None), text=f"{name}:N", tooltip=["id:N", "text:N"],
            **({"color": alt.Color("what:N", legend=None).scale(domain=["lost", "won"], range=[ORANGE, BLUE])}
               if name == "what" else {}),
        )  # fmt: skip
        head = alt.Chart(alt.Data(values=[{}])).mark_text(align="left", fontWeight="bold", text=HEADS[place])
        layers += [head.encode(x=alt.value(x), y=alt.value(-10)), text]
    title = alt.Title("Examples that it loses and wins against the full model of its seed", anchor="start", offset=8)
    return alt.layer(*layers).properties(width=widths[-1], height=alt.Step(LINE), title=title)


def explorer_chart(params: list[dict[str, Any]], first: Mapping[str, Any], measured: bool) -> dict[str, Any]:
    """The Vega-Lite specification of the explorer, but for its datasets.

    Args:
        params: as of :func:`controls`.
        first: seed and ratio of the ticket that is shown before any is clicked.
        measured: whether latency is measured.
    """
    picked = alt.selection_point(
        name="picked", fields=["seed", "ratio"], value=[dict(first)], toggle=False, clear=False, empty=False
    )
    chart = alt.vconcat(
        alt.hconcat(curve_chart(picked, measured), mask_chart(picked), spacing=40), examples_chart(picked), spacing=40
    )
    chart = chart.resolve_scale(color="independent").configure(font="system-ui, DejaVu Sans, sans-serif")
    chart = chart.configure_axis(labelFontSize=12, titleFontSize=12, titleFontWeight="normal")
    spec = chart.configure_text(fontSize=12).configure_title(fontSize=14).configure_view(stroke=None).to_dict()
    spec["params"] = [*params, *spec.get("params", [])]
    return spec

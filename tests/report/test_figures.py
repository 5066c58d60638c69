"""Figures show what the scores say."""

from __future__ import annotations

import json
from itertools import pairwise, product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from drawing import FIGURES, draw, points
from made_up_runs import GRID, MAIN, outputs, verdicts
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from scipy import stats

from supertickets.encoder.ticket import Ticket
from supertickets.evaluation.phases import PHASES
from supertickets.experiment.train_sizes import size_text
from supertickets.report.figures import style, ticket_importance
from supertickets.report.figures.data_size import by_number
from supertickets.report.figures.gain_curve import panel as gain_curve_panel
from supertickets.report.figures.gains import draw_gains, no_intervals_text
from supertickets.report.figures.importance import draw_importance
from supertickets.report.figures.panels import (
    BAND,
    BESIDE,
    draw_chance,
    finish,
    grid_of_panels,
    mark_phases,
    panels,
    phases_remark,
    scored_on,
)  # fmt: skip
from supertickets.report.figures.phase_transition import panel as phase_transition_panel
from supertickets.report.figures.single_task_gain import gains
from supertickets.tickets.importance_table import write_importance

pytestmark = pytest.mark.usefixtures("closed")


def test_the_phase_transition_shows_what_the_scores_say(results: Path, drawn: list[plt.Figure]) -> None:
    axes, text = draw("phase_transition", results, drawn)
    titles = [axis.get_title(loc="left") for axis in axes[:3]]
    assert titles == [f"{task}, 64 training examples" for task in GRID["tasks"]]
    assert [axis.get_ylabel() for axis in axes[:3]] == [
        "test accuracy (%)", "test Pearson\ncorrelation x 100", "validation accuracy (%)"
    ]  # fmt: skip
    left, right = axes[0].get_xlim()
    assert left > 1 > 0.75 > right  # the full model is at the left
    scores = pd.read_parquet(results / "scores.parquet")
    main = scores.query("train_size == '64' and split == 'test' and metric == 'accuracy' and kind == 'winning'")
    means = main.query("task == 'movie'").groupby("weight_remaining")["value"].mean().sort_index(ascending=False)
    places, values = points(axes[0], "winning tickets")
    np.testing.assert_allclose(places, means.index)
    np.testing.assert_allclose(values, means)
    counts = ("200 test examples of movie", "200 validation examples of dev_only")
    for words in ("minilm, trained in fp32", "3 seeds", *counts, "95%", "chosen on validation"):
        assert words in text
    (dots,) = (dots for dots in axes[0].collections if isinstance(dots, PathCollection))
    beside = dots.get_offset_transform().transform((0, 0)) - axes[0].transData.transform((0, 0))
    assert beside == pytest.approx([BESIDE * axes[0].figure.dpi / 72, 0])  # not over the means
    assert "see gain_curve" in text and "1 (movie), 2.5 (rating), 1 (dev_only) points on average" in text
    star = next(line for line in axes[0].lines if line.get_marker() == "*")
    assert star.get_xdata()[0] == pytest.approx(1 - verdicts(results).loc["movie", "ratio"] / 2)


def test_a_score_of_100_is_drawn_whole_and_one_seed_has_no_band() -> None:
    shared = {"model": "minilm", "task": "movie", "train_size": "64", "split": "test", "metric": "accuracy"}
    rows = pd.DataFrame([shared | {"seed": 1, "draw": 1, "examples": 9, "weight_remaining": 0.7, "value": 60.0}])
    rows["precision"] = "bf16"
    figure = panels(rows, pd.DataFrame([shared]), lambda axis, *_: axis.plot(0.7, [[100, 60, 0]], "o"), BAND + "Dots.")
    low, high = figure.axes[0].get_ylim()
    assert -5 < low < 0 and 100 < high < 105
    text = figure.get_supxlabel().replace("\n", " ")
    assert text.split("examples of movie. ")[1] == "Dots." and "One seed." in text


def test_scores_of_two_seeds_are_joined_by_lines_and_have_no_intervals() -> None:
    values = {1: (80.0, 85.0, 70.0), 2: (60.0, 55.0, 62.0)}
    curve = {"kind": ("full", "winning", "winning"), "ratio": (0.0, 0.2, 0.6), "weight_remaining": (1.0, 0.9, 0.7)}
    seeds = [pd.DataFrame({**curve, "seed": seed, "value": scores}) for seed, scores in values.items()]
    _, axis = plt.subplots()
    phase_transition_panel(axis, pd.concat(seeds), pd.Series({"ratio": 0.2}))
    lines = {line.get_label(): line for line in axis.lines}
    for seed, scores in values.items():
        assert tuple(lines[f"seed {seed}"].get_ydata()) == scores
    assert lines["seed 1"].get_linestyle() != lines["seed 2"].get_linestyle()
    segments = next(box for box in axis.containers if box.get_label() == "winning tickets").lines[2][0].get_segments()
    assert all(low == high for (_, low), (_, high) in segments)
    _, axis = plt.subplots()
    phase_transition_panel(axis, seeds[0], pd.Series({"ratio": 0.2}))
    assert not [line for line in axis.lines if "seed" in str(line.get_label())]


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        ([("movie", 1000, "test")], "Scored on 1,000 test examples of movie."),
        (
            [("movie", 1000, "test"), ("amazon", 635, "test")],
            "Scored on 1,000 test examples of movie and 635 of amazon.",
        ),
        (
            [("movie", 90, "test"), ("rte", 277, "validation"), ("mrpc", 408, "validation")],
            "Scored on 90 test examples of movie, 277 validation examples of rte and 408 of mrpc.",
        ),
    ],
)
def test_the_note_counts_the_examples_of_each_task(scores: list[tuple[str, int, str]], text: str) -> None:
    assert scored_on(pd.DataFrame(scores * 2, columns=["task", "examples", "split"])) == text


def test_the_gain_curve_is_the_comparisons_with_the_margin_below(results: Path, drawn: list[plt.Figure]) -> None:
    axes, text = draw("gain_curve", results, drawn)
    assert [axis.get_ylabel() for axis in axes[:2]] == [
        "gain in accuracy (points)", "gain in Pearson\ncorrelation (points)"
    ]  # fmt: skip
    compared = pd.read_csv(results / "comparisons/minilm/rating/n64/winning.csv").query("split == 'test'")
    places, values = points(axes[1], "winning tickets")
    np.testing.assert_allclose(places, compared["weight_remaining"])
    np.testing.assert_allclose(values, compared["difference"])
    curve = next(container for container in axes[1].containers if container.get_label() == "winning tickets")
    ends = np.array([segment[:, 1] for segment in curve.lines[2][0].get_segments()])
    np.testing.assert_allclose(ends, compared[["low", "high"]])
    (band,) = axes[1].patches
    assert (band.get_y(), band.get_height()) == (-2.5, 2.5)
    (star,) = (line for line in axes[1].lines if line.get_marker() == "*")
    ratio = verdicts(results).loc["rating", "ratio"]
    assert star.get_ydata() == compared.set_index("ratio").loc[[ratio], "difference"].tolist()
    for words in ("minilm", "3 seeds", "95%", "1 (movie), 2.5 (rating), 1 (dev_only)", "200 of rating"):
        assert words in text


def test_gains_of_two_seeds_have_the_points_of_the_seeds() -> None:
    seeds = np.array([1.5, -4.0])
    row = {"seeds": 2, "difference": seeds.mean(), "low": -30.0, "high": 30.0, "seeds_error": stats.sem(seeds)}
    _, axis = plt.subplots()
    draw_gains(axis, pd.Series([0.9, 0.8]), pd.DataFrame([row, row | {"seeds": 3}]), "", style.look("winning", "w"))
    drawn = np.concatenate([np.asarray(dots.get_offsets()) for dots in axis.collections[1:]])
    np.testing.assert_allclose(drawn, [[0.9, -4.0], [0.9, 1.5]])


def test_the_note_says_why_an_interval_is_missing() -> None:
    nothing = float("nan")
    row = {"task": "movie", "seeds": 3, "examples": 90, "difference": 0.0, "low": nothing, "high": nothing}
    whole = row | {"low": -1.0, "high": 1.0}
    undefined = row | {"difference": nothing}
    rows = [row, row, whole, undefined, row | {"task": "one", "documents": 1.0}, row | {"task": "two", "seeds": 2}]
    text = no_intervals_text(pd.DataFrame(rows), "ticket")
    assert text == (
        " No interval: 2 tickets of movie, as the gain is the same for all seeds and examples."
        " No interval: 1 ticket of one, as all examples are one document."
    )


@pytest.mark.parametrize(("seeds", "height"), [(1, 0), (2, 0), (3, 3)])
def test_gains_that_are_undefined_are_missing_and_few_seeds_have_no_intervals(seeds: int, height: int) -> None:
    nothing = float("nan")
    rows = pd.DataFrame({"weight_remaining": [0.9, 0.8], "ratio": [0.2, 0.4], "seeds": seeds})
    rows = rows.assign(difference=[1.0, nothing], low=[0.0, nothing], high=[3.0, nothing], seeds_error=nothing)
    if seeds == 1:
        rows[["low", "high"]] = nothing
    _, axis = plt.subplots()
    gain_curve_panel(axis, rows, 0.2, 1.0)
    (curve,) = axis.containers
    assert curve.lines[0].get_ydata()[0] == 1 and np.isnan(curve.lines[0].get_ydata()[1])
    segment = curve.lines[2][0].get_segments()[0]
    assert segment[1, 1] - segment[0, 1] == height
    _, axis = plt.subplots()
    gain_curve_panel(axis, rows.assign(difference=nothing), nothing, 1.0)
    assert [text.get_text() for text in axis.texts] == ["all gains are undefined"] and not len(axis.get_yticks())


def dotted(axis: Axes) -> list[float]:
    """Return the scores of the lines of chance in a panel."""
    return [line.get_ydata()[0] for line in axis.lines if line.get_label() == "chance"]


@pytest.mark.parametrize("name", ["phase_transition", "ticket_kinds", "data_size"])
def test_chance_is_a_line_or_where_that_is_far_a_word_at_the_edge(
    results: Path, drawn: list[plt.Figure], name: str
) -> None:
    axes, text = draw(name, results, drawn)
    chance = verdicts(results)["chance"]
    for axis, task in zip(axes, GRID["tasks"], strict=False):
        low, _ = axis.get_ylim()
        words = [word.get_text() for word in axis.texts if "chance" in word.get_text()]
        assert (dotted(axis), words) in (([chance[task]], []), ([], [f"chance {chance[task]:.1f} ↓"]))
        assert bool(words) == (low > chance[task])
    assert "Chance: the best score of one answer" in text


@pytest.mark.parametrize(
    ("chance", "lines", "words"), [(45, 1, []), (95, 1, []), (20, 0, ["chance 20.0 ↓"]), (0, 0, ["chance 0.0 ↓"])]
)
def test_curves_are_not_squeezed_for_chance(chance: float, lines: int, words: list[str]) -> None:
    _, axis = plt.subplots()
    axis.plot([50, 90])
    draw_chance(axis, chance)
    assert len(dotted(axis)) == lines and [text.get_text() for text in axis.texts] == words
    low, high = axis.get_ylim()
    for text in axis.texts:  # where nothing is drawn
        assert text.get_window_extent().transformed(axis.transData.inverted()).y1 < 50
    assert high - low < 60 and (not lines or low < chance < high)


def test_kinds_are_drawn_side_by_side_and_draws_of_a_seed_count_as_one(results: Path, drawn: list[plt.Figure]) -> None:
    axes, text = draw("ticket_kinds", results, drawn)
    assert [container.get_label() for container in axes[0].containers] == ["winning", "losing", "random"]
    scores = pd.read_parquet(results / "scores.parquet")
    rows = scores.query("task == 'movie' and split == 'test' and metric == 'accuracy' and kind == 'random'")
    assert len(rows) == 3 * 2 * 3
    by_seed = rows.groupby(["ratio", "seed"])["value"].mean().unstack()
    curves = {container.get_label(): container for container in axes[0].containers}
    np.testing.assert_allclose(np.asarray(curves["random"].lines[0].get_ydata(), dtype=float), by_seed.mean(axis=1))
    segments = curves["random"].lines[2][0].get_segments()
    half = stats.t.ppf(0.975, 2) * by_seed.std(axis=1) / 3**0.5
    np.testing.assert_allclose([(segment[1, 1] - segment[0, 1]) / 2 for segment in segments], half)
    places = [points(axes[0], label)[0] for label in ("winning", "losing", "random")]
    assert all((left > right).all() for left, right in pairwise(places))  # no curve hides another
    assert "random: of 2 draws" in text
    looks = [(line.get_color(), line.get_marker()) for line in (curve.lines[0] for curve in curves.values())]
    assert len(set(looks)) == len({marker for _, marker in looks}) == 3


def test_a_kind_of_the_users_own_has_a_look_of_its_own() -> None:
    kinds = ["winning", "magnitude", "random", "taylor"]
    looks = [style.look(kind, kind, kinds) for kind in kinds]
    assert len({look["color"] for look in looks}) == len({look["marker"] for look in looks}) == 4


def test_sizes_are_drawn_from_the_smallest_with_their_full_models(results: Path, drawn: list[plt.Figure]) -> None:
    axes, text = draw("data_size", results, drawn)
    assert [axis.get_title(loc="left") for axis in axes[:3]] == GRID["tasks"]
    labels = [container.get_label() for container in axes[0].containers]
    assert labels == ["32 training examples", "64 training examples"]
    scores = pd.read_parquet(results / "scores.parquet").query("kind in ['full', 'winning']")
    rows = scores.query("task == 'rating' and train_size == '32' and split == 'test' and metric == 'pearson'")
    means = rows.groupby("weight_remaining")["value"].mean().sort_index(ascending=False)
    places, values = points(axes[1], labels[0])
    np.testing.assert_allclose(places, means.index, atol=0.01)  # with small offsets
    np.testing.assert_allclose(values, means)
    assert means.index[0] == 1 and "full model" in text
    shares = pd.DataFrame({"train_size": ["all", "500", "0.5", "64", "0.1"]})
    assert by_number(shares) == ["64", "500", "0.1", "0.5", "all"]
    assert [size_text(size) for size in ("64", "0.25", "all")] == [
        "64 training examples",
        "25% of the training examples",
        "all training examples",
    ]


def test_bias_and_variance_are_those_of_the_predictions(results: Path, drawn: list[plt.Figure]) -> None:
    axes, text = draw("bias_variance", results, drawn)
    assert [axis.get_ylabel() for axis in axes[:3]] == [
        "test Brier score", "test squared error", "validation Brier score"
    ]  # fmt: skip
    logits, labels = [], None
    for seed in (1, 2, 3):
        run = {"model": "minilm", "task": "rating", "train_size": 64, "seed": seed, "kind": "full", "ratio": 0.0}
        labels, values = outputs(results, run | {"draw": 1}, "test")
        logits.append(values[:, 0])
    variance = np.var(logits, axis=0, ddof=1).mean()
    loss = ((np.array(logits) - labels) ** 2).mean()
    curves = {label: points(axes[1], label)[1] for label in ("expected loss", "bias (squared)", "variance")}
    assert [curves[label][0] for label in curves] == pytest.approx([loss, loss - variance, variance])
    for of_ratio in zip(*curves.values(), strict=True):
        assert of_ratio[0] == pytest.approx(of_ratio[1] + of_ratio[2])
    assert "minilm" in text and "3 seeds" in text and "200 of rating" in text
    table = pd.read_csv(results / "decompositions" / "minilm/movie/n64/winning.csv")
    assert set(table["loss"]) == {"Brier score", "zero-one loss"}
    wide = table.query("loss == 'zero-one loss'").pivot(index="ratio", columns="part", values="value")
    scores = pd.read_parquet(results / "scores.parquet").query(
        "task == 'movie' and train_size == '64' and split == 'test' and metric == 'accuracy' and kind != 'losing'"
    )
    errors = 100 - scores[scores["kind"] != "random"].groupby("ratio")["value"].mean()
    np.testing.assert_allclose(100 * wide["loss"], errors)


def test_gains_are_shown_both_ways(results: Path, drawn: list[plt.Figure]) -> None:
    axes, text = draw("single_task_gain", results, drawn)
    same, honest = (container.lines[0].get_ydata() for container in axes[0].containers)
    table = verdicts(results)
    np.testing.assert_allclose(np.asarray(same, dtype=float), table["difference_same_split"])
    np.testing.assert_allclose(np.asarray(honest, dtype=float), table["difference_other_seeds"])
    assert [patch.get_height() for patch in axes[1].patches] == pytest.approx(table["weight_remaining"].tolist())
    for words in (
        "minilm",
        "64 training examples",
        "3 seeds",
        "accuracy (movie, dev_only)",
        "Pearson correlation (rating)",
    ):
        assert words in text


@pytest.mark.parametrize(("seeds", "drawn_intervals"), [(2, [0, 0]), (3, [8, 9])])
def test_gains_of_two_seeds_have_no_intervals(seeds: int, drawn_intervals: list[int]) -> None:
    row = {"seeds": seeds, "difference_same_split": 2.0, "low_same_split": -2.0, "high_same_split": 6.0}
    row |= {"difference_other_seeds": 1.0, "low_other_seeds": -4.0, "high_other_seeds": 5.0}
    row |= {"seeds_error_same_split": 1.0, "seeds_error_other_seeds": 1.0}
    _, axis = plt.subplots()
    gains(axis, pd.DataFrame([row]))
    segments = [container.lines[2][0].get_segments()[0] for container in axis.containers]
    assert [high - low for (_, low), (_, high) in segments] == drawn_intervals


@pytest.mark.parametrize("inches", [4.0, 6.8])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_legends_are_inside_the_picture(inches: float, count: int) -> None:
    style.use()
    figure, axis = plt.subplots(figsize=(inches, 3.0), layout="constrained")
    for number in range(count):
        axis.plot([0, 1], label=f"{number} chosen and reported on the same runs and examples")
    finish(figure, [axis], "A note.")
    figure.draw_without_rendering()
    legend, picture = figure.legends[0].get_window_extent(), figure.bbox
    assert len(figure.legends) == 1 and len(figure.legends[0].texts) == count
    assert legend.x0 >= picture.x0 and legend.x1 <= picture.x1 and legend.y1 <= picture.y1


@pytest.mark.parametrize(("inches", "columns"), [(6.8, 5), (3.6, 3)])
def test_the_lines_of_a_legend_are_about_equal(inches: float, columns: int) -> None:
    style.use()
    figure, axis = plt.subplots(figsize=(inches, 3.0), layout="constrained")
    for number in range(5):
        axis.plot([0, 1], label=f"seed {number}")
    finish(figure, [axis], "A note.")
    figure.draw_without_rendering()
    assert len({round(text.get_window_extent().x0) for text in figure.legends[0].texts}) == columns


def made_of(models: int, tasks: int) -> pd.DataFrame:
    names = product([f"model{number}" for number in range(models)], [f"task{number}" for number in range(tasks)])
    return pd.DataFrame(names, columns=["model", "task"])


@pytest.mark.parametrize(
    ("models", "tasks", "lines", "columns"),
    [(1, 1, 1, 1), (1, 8, 4, 2), (3, 1, 2, 2), (3, 4, 3, 4), (2, 2, 2, 2), (2, 8, 4, 4), (2, 5, 4, 3)],
)
def test_several_models_have_rows_of_their_own(models: int, tasks: int, lines: int, columns: int) -> None:
    shown = made_of(models, tasks)
    figure, axes = grid_of_panels(shown)
    grid = axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (lines, columns) and len({*axes}) == models * tasks
    assert len([axis for axis in figure.axes if axis.axison]) == models * tasks
    places = shown.assign(
        row=[axis.get_subplotspec().rowspan.start for axis in axes],
        column=[axis.get_subplotspec().colspan.start for axis in axes],
    )
    if models > 1 and tasks > 1:
        assert (places.groupby("task")["column"].nunique() == 1).all()
        assert not {*places.query("model == 'model0'")["row"]} & {*places.query("model == 'model1'")["row"]}


def test_a_model_without_one_of_the_tasks_leaves_its_place_empty() -> None:
    figure, axes = grid_of_panels(made_of(2, 2).drop(index=2))
    assert axes[2] is figure.axes[3] and not figure.axes[2].axison


@pytest.fixture
def importance(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """Write made-up importance of an encoder of two layers of three heads for each task and seed of ``MAIN``.

    Returns:
        The results folder, and raw scores: of heads, shape (tasks, seeds, 2, 3), and of blocks, (tasks, seeds, 2).
    """
    shape = {"layers": 2, "heads": 3, "hidden": 6, "ffn": 12, "parameters": 10_000}
    (tmp_path / "pretrained/minilm").mkdir(parents=True)
    (tmp_path / "pretrained/minilm/shape.json").write_text(json.dumps(shape))
    random = np.random.default_rng(0)
    heads, ffn = random.random((3, 3, 2, 3)), random.random((3, 3, 2))
    for (place, task), seed in product(enumerate(MAIN["tasks"]), MAIN["seeds"]):
        path = tmp_path / f"runs/minilm/{task}/n64/seed{seed}/importance/fine_tuned.csv"
        path.parent.mkdir(parents=True)
        raw = [*heads[place, seed - 1]], ffn[place, seed - 1]
        write_importance(path, Ticket.full(2, 3), {"taylor": ([*np.ones((2, 3))], np.ones(2)), "sensitivity": raw})
    return tmp_path, heads, ffn


SENSITIVITY = {"method": "sensitivity", "weights": "fine_tuned"}


def test_heat_maps_show_the_mean_importance_of_each_unit(
    importance: tuple[Path, np.ndarray, np.ndarray], drawn: list[plt.Figure]
) -> None:
    results, heads, ffn = importance
    draw_importance(results, MAIN, SENSITIVITY, results / "unused.pdf", results / "unused.png")
    (figure,) = drawn
    normal_heads = (heads / np.linalg.norm(heads, axis=-1, keepdims=True)).mean(axis=1)
    normal_ffn = (ffn / np.linalg.norm(ffn, axis=-1, keepdims=True)).mean(axis=1)
    meshes = [axis.collections for axis in figure.axes[:3]]
    for task, (of_heads, of_ffn) in enumerate(meshes):
        np.testing.assert_allclose(of_heads.get_array(), normal_heads[task])
        np.testing.assert_allclose(of_ffn.get_array(), normal_ffn[task][:, None])
        assert of_heads.get_clim() == (0, normal_heads.max()) and of_ffn.get_clim() == (0, normal_ffn.max())
    assert [axis.get_title(loc="left") for axis in figure.axes[:3]] == MAIN["tasks"]
    keys = [axis.get_xlabel() for axis in figure.axes if "importance" in axis.get_xlabel()]
    assert keys == ["normalized importance of a head", "normalized importance of a feed-forward block (FFN)"]
    text = " ".join(figure.get_supxlabel().split())
    for words in ("minilm", "Sensitivity of the fine-tuned weights", "3 seeds", "64 training examples"):
        assert words in text


@pytest.mark.parametrize("layers", [2, 12])
def test_pies_stand_close_below_the_legend(
    monkeypatch: pytest.MonkeyPatch, drawn: list[plt.Figure], layers: int
) -> None:
    values = np.ones((3, layers, 12)), np.ones((3, layers))
    monkeypatch.setattr(ticket_importance, "mean_importance", lambda *names: values)
    ticket_importance.draw_ticket_importance(Path(), MAIN, SENSITIVITY, Path("unused.pdf"), Path("unused.png"))
    (figure,) = drawn
    figure.draw_without_rendering()
    room = figure.legends[0].get_window_extent().y0 - figure.axes[0].get_window_extent().y1
    assert 0 < room < 0.3 * figure.dpi  # pixels


@pytest.mark.parametrize("zero", [False, True])
def test_heat_maps_are_written_whole_and_the_same_again(
    importance: tuple[Path, np.ndarray, np.ndarray], zero: bool
) -> None:
    results = importance[0]
    if zero:
        for path in results.rglob("fine_tuned.csv"):
            nothing = [*np.zeros((2, 3))], np.zeros(2)
            write_importance(path, Ticket.full(2, 3), {"sensitivity": nothing})
    for copy in ("one", "two"):
        draw_importance(results, MAIN, SENSITIVITY, results / f"{copy}.pdf", results / f"{copy}.png")
    for suffix in ("pdf", "png"):
        assert (results / f"one.{suffix}").read_bytes() == (results / f"two.{suffix}").read_bytes()


def test_masks_show_the_share_of_seeds_that_keep_a_unit(results: Path, drawn: list[plt.Figure]) -> None:
    axes, text = draw("ticket_masks", results, drawn)
    heads, ffn = (mesh.get_array() for mesh in axes[0].collections)
    np.testing.assert_allclose(heads, [[1, 1, 1], [1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(ffn, [[1], [2 / 3]])
    row = verdicts(results).loc["movie"]
    assert axes[0].get_title(loc="left") == f"movie: ratio {row['ratio']:g}, {row['weight_remaining']:.0%} weight"
    assert "3 seeds" in text and "64 training examples" in text and "validation" in text


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_written_whole_and_the_same_again(results: Path, tmp_path: Path, name: str) -> None:
    function, grid = FIGURES[name]
    for copy in ("one", "two"):
        function(results, grid, pdf=tmp_path / f"{copy}.pdf", png=tmp_path / f"{copy}.png")
    assert (tmp_path / "one.pdf").read_bytes().startswith(b"%PDF") and (tmp_path / "one.png").stat().st_size > 10_000
    for suffix in ("pdf", "png"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def five_tickets() -> pd.DataFrame:
    """Scores of a full model and of a ticket at each ratio, which prunes half of the ratio."""
    ratios = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    rows = pd.DataFrame({"ratio": ratios, "kind": ["full"] + ["winning"] * 5, "value": 60.0})
    rows["weight_remaining"] = 1 - rows["ratio"] / 2
    return rows


def of_one_seed(first: float, third: float) -> pd.Series:
    """Phases without intervals."""
    return pd.Series(dict.fromkeys(PHASES, np.nan) | {"first_ends": first, "third_begins": third, "seeds": 1})


@pytest.mark.parametrize(
    ("first", "third", "expected"),
    [
        ((0.0, 0.2), (np.nan, np.nan), [[0.975, 0.875]]),  # half way between tickets, as boundaries are
        ((0.1, 0.5), (0.3, np.inf), [[0.925, 0.7], [0.875, 0.7]]),  # up to the edge of the panel
        ((0.2, 0.2), (0.3, 0.3), [[0.875, 0.875], [0.875, 0.875]]),
    ],
)
def test_phases_have_the_intervals_of_their_table(
    first: tuple[float, float], third: tuple[float, float], expected: list[list[float]]
) -> None:
    _, axis = plt.subplots()
    axis.plot([1.0, 0.7], [60.0, 70.0])
    axis.set_xlim(1.0, 0.7)
    limits = axis.get_ylim()
    phases = dict(zip(PHASES, (0.2, *first, 0.3, *third), strict=True))
    mark_phases(axis, five_tickets(), pd.Series(phases | {"seeds": 2}))
    assert not [line for line in axis.lines if line.get_marker() == "|"]
    mark_phases(axis, five_tickets(), pd.Series(phases | {"seeds": 3}))
    bars = [line for line in axis.lines if line.get_marker() == "|"]
    assert [list(bar.get_xdata()) for bar in bars] == [pytest.approx(ends) for ends in expected]
    assert all(0.95 < height < 1 for bar in bars for height in bar.get_ydata())  # as a share of the panel
    assert axis.get_ylim() == limits


@pytest.mark.parametrize(
    ("first", "third", "names", "boundaries"),
    [
        (0.2, 0.4, {"phase I": 0.25, "II": 0.6, "III": 0.85}, [0.875, 0.825]),
        (0.2, 0.3, {"phase I": 0.25, "III": 0.75}, [0.875]),
        (0.2, np.inf, {"phase I": 0.25, "II": 0.75}, [0.875]),
        (0.2, np.nan, {"phase I": 0.25, "": 0.75}, [0.875]),
        (0.5, np.inf, {"phase I": 0.5}, []),
        (0.0, 0.1, {"phase I": 0.05, "III": 0.55}, [0.975]),
    ],
)
def test_phases_are_named_where_they_are(
    first: float, third: float, names: dict[str, float], boundaries: list[float]
) -> None:
    _, axis = plt.subplots()
    axis.plot([1.0, 0.75], [60.0, 70.0])
    axis.set_xlim(1.0, 0.75)
    limits = axis.get_ylim()
    mark_phases(axis, five_tickets(), of_one_seed(first, third))
    assert {text.get_text(): text.get_position()[0] for text in axis.texts} == pytest.approx(names)
    assert [line.get_xdata()[0] for line in axis.lines[1:]] == pytest.approx(boundaries)
    assert {text.get_position()[1] for text in axis.texts} == {1.01}  # above the panel, which stays as it is
    assert axis.get_ylim() == limits


@pytest.mark.parametrize("third", [0.1, 0.2, np.inf])
@pytest.mark.parametrize("columns", [1, 2, 4])
def test_names_of_narrow_phases_do_not_overlap(third: float, columns: int) -> None:
    style.use()
    rows = pd.DataFrame({"ratio": [0.0, 0.1, 0.2], "kind": ["full", "winning", "winning"], "value": 60.0})
    rows["weight_remaining"] = [1.0, 0.999, 0.998]
    figure, axes = plt.subplots(1, columns, squeeze=False, figsize=(style.PAGE_WIDTH, 3), layout="constrained")
    axis = axes[0, 0]
    axis.set_xlim(1.0, 0.5)
    mark_phases(axis, rows, of_one_seed(0.0, third))
    figure.draw_without_rendering()
    names = [text.get_window_extent() for text in axis.texts]
    assert len(names) == 2 + (third == 0.2) and all(left.x1 < right.x0 for left, right in pairwise(names))


@pytest.mark.parametrize(("numbers", "text"), [
    ((1.0, 1.0), "1 point"), ((2.5, 2.5), "2.5 points"), ((1.0, 2.5), "1 (movie), 2.5 (rating) points")
])  # fmt: skip
def test_the_remark_on_phases_names_the_margins(numbers: tuple[float, float], text: str) -> None:
    margins = dict(zip(("movie", "rating"), numbers, strict=True)) | {"another": 7.0}
    phases = pd.DataFrame({"seeds": [2, 3], "first_ends_low": [0.1, 0.1], "third_begins_low": [0.3, np.nan]})
    remark = phases_remark(margins, ["movie", "rating"], phases)
    phase, shown = f" Phase I: no winning ticket loses more than {text} on average.", "each end is shown at 95%."
    assert remark == f"{phase} Bar at the top: where it may end; {shown}"
    third = "than random tickets by more than that. II: between the two. Bars at the top: "
    both = phases_remark(margins, ["movie"], phases.assign(third_begins_low=0.3), random=True)
    assert both.endswith(f"{third}where I may end (upper) and III begin (lower); {shown}")
    assert phases_remark(margins, ["movie", "rating"], phases[:1]) == phase  # two seeds have no bars

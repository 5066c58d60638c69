"""Scores, comparisons, super tickets, figures and tables, from records and predictions written by the tests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from scipy import stats
from sklearn.metrics import f1_score, matthews_corrcoef

from supertickets import style
from supertickets.aggregate import aggregate
from supertickets.bias_variance import draw_bias_variance
from supertickets.comparisons import compare_group
from supertickets.curves import size_text
from supertickets.data_size import by_number, draw_data_size
from supertickets.decomposition import decompose_group
from supertickets.errors import UserError
from supertickets.formulas import FORMULAS, predicted
from supertickets.grid import groups_of, runs_of, scoped
from supertickets.inference import holm, permutation_p
from supertickets.layout import group_file, run_folder, ticket_file
from supertickets.metrics import Score
from supertickets.phase_transition import draw_phase_transition
from supertickets.result_tables import (
    write_seed_sensitivity,
    write_single_task_dev,
    write_super_tickets,
    write_sweep,
)
from supertickets.scores import score_group
from supertickets.selection import select_ticket
from supertickets.setting_tables import write_hyperparameters, write_tasks
from supertickets.single_task_gain import draw_single_task_gain
from supertickets.tables import Files, P, write_formats
from supertickets.ticket_kinds import draw_ticket_kinds
from supertickets.ticket_masks import draw_ticket_masks
from supertickets.verdicts import judge
from supertickets.weighted import WEIGHTED

GRID = {
    "models": ["minilm"],
    "tasks": ["movie", "rating", "dev_only"],
    "train_sizes": [64, 32],
    "seeds": [1, 2, 3],
    "kinds": ["winning", "losing", "random"],
    "draws": {"winning": 1, "losing": 1, "random": 2},
    "ratios": [0.1, 0.3, 0.5],
}
METRICS = {"movie": "accuracy,matthews", "rating": "pearson,spearman", "dev_only": "accuracy"}
FIRST = {task: names.split(",")[0] for task, names in METRICS.items()}
#: Share of the predictions that are right, by ratio.
RIGHT = {0.0: 0.8, 0.1: 0.85, 0.3: 0.82, 0.5: 0.6}
PRUNING = {"like": "winning", "importance": "sensitivity", "weights": "fine_tuned", "units": "both", "steps": 1}
MAIN, KINDS, SIZES = (scoped(GRID, scope) for scope in ("main", "kinds", "sizes"))
FIGURES: dict[str, tuple[Callable[..., None], dict[str, Any]]] = {
    "phase_transition": (draw_phase_transition, MAIN),
    "ticket_kinds": (draw_ticket_kinds, KINDS),
    "data_size": (draw_data_size, SIZES),
    "bias_variance": (draw_bias_variance, MAIN),
    "single_task_gain": (draw_single_task_gain, MAIN),
    "ticket_masks": (draw_ticket_masks, MAIN),
}


def write_run(folder: Path, run: dict[str, Any], random: np.random.Generator) -> None:
    """Record, predictions and ticket of a made-up run."""
    where = folder / run_folder(run)
    where.mkdir(parents=True)
    settings = {"optimizer": "adamw", "learning_rate": 1e-4, "batch_size": 8, "epochs": 3, "warmup": 0.1}
    settings |= {"weight_decay": 0.01, "clip_norm": 1.0, "classifier_dropout": 0.1, "evaluate": {"test": 200}}
    record = {
        "run": run,
        "heads_pruned": round(72 * run["ratio"]),
        "ffn_pruned": 1,
        "steps": 24,
        "parameters": 22_000_000,
    }
    record |= {"weight_remaining": 1 - run["ratio"] / 2, "settings": settings}
    (where / "record.json").write_text(json.dumps(record))
    if run["kind"] != "full":
        path = folder / ticket_file(run)
        path.parent.mkdir(exist_ok=True)
        heads = [[0, 1, 2], [run["seed"] % 3]]
        path.write_text(json.dumps({"heads_per_layer": 3, "heads": heads, "ffn": [0] if run["seed"] == 1 else [0, 1]}))
    examples = np.random.default_rng(99)
    labels = np.tile([0.0, 1.0], 200)
    if run["task"] == "rating":
        labels = examples.normal(size=400)
        logits = (labels + random.normal(size=400) * (1 + run["ratio"]))[:, None]
    else:
        hit = random.random(400) < RIGHT[run["ratio"]]
        logits = np.where((labels == 1) == hit, 1.0, -1.0)[:, None] * [-0.5, 0.5]
    table = {"id": [f"e{index}" for index in range(400)], "split": ["validation"] * 200 + ["test"] * 200}
    rows = pd.DataFrame(table | {"label": labels, "logits": list(logits)})
    rows[: 200 if run["task"] == "dev_only" else 400].to_parquet(where / "predictions.parquet")


def judge_all(folder: Path, grid: dict[str, Any]) -> None:
    """Everything from runs to verdicts."""
    for group in groups_of(grid):
        name, task = group_file(group), group["task"]
        score_group(folder, grid, group, METRICS[task], folder / "scores" / f"{name}.parquet")
        compare_group(folder, grid, group, FIRST[task], folder / "comparisons" / f"{name}.csv")
        if group["kind"] == "winning":
            select_ticket(folder, grid, group, FIRST[task], folder / "selections" / f"{name}.csv")
            if len(grid["seeds"]) > 1:
                decompose_group(folder, grid, group, folder / "decompositions" / f"{name}.csv")
    judge(folder, scoped(grid, "sizes"), folder / "verdicts.csv")
    aggregate(folder, grid, folder / "scores.parquet", folder / "scores.csv", folder / "comparisons.csv")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with made-up predictions, scored, compared and judged."""
    folder = tmp_path_factory.mktemp("results")
    random = np.random.default_rng(0)
    for run in runs_of(GRID):
        write_run(folder, run, random)
    judge_all(folder, GRID)
    for task in GRID["tasks"]:
        examples = pd.DataFrame({"split": ["train"] * 6 + ["validation"] * 2, "label": [0.0, 1.0, 1.0, 1.0] * 2})
        (folder / "tasks").mkdir(exist_ok=True)
        examples.to_parquet(folder / "tasks" / f"{task}.parquet")
    return folder


def outputs(results: Path, run: dict[str, Any], split: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and logits of a run, read anew."""
    table = pd.read_parquet(results / run_folder(run) / "predictions.parquet").query("split == @split")
    return table["label"].to_numpy(), np.stack(table["logits"].tolist())


def score_of(results: Path, metric: str, split: str, **run: Any) -> float:
    """A run's score, recomputed."""
    where = {"model": "minilm", "train_size": 64, "kind": "winning", "draw": 1} | run
    labels, logits = outputs(results, where, split)
    return 100 * FORMULAS[metric](predicted(logits), labels)


def verdicts(results: Path) -> pd.DataFrame:
    table = pd.read_csv(results / "verdicts.csv", dtype={"train_size": str})
    return table[table["train_size"] == "64"].set_index("task")


def test_scores_are_tidy_and_right(results: Path) -> None:
    table = pd.read_parquet(results / "scores.parquet")
    pd.testing.assert_frame_equal(table, pd.read_csv(results / "scores.csv", dtype={"train_size": str}))
    columns = "model task train_size seed kind ratio draw heads_pruned ffn_pruned weight_remaining split metric value"
    assert table.columns.tolist() == [*columns.split(), "examples"]
    # Three seeds; the full model and four draws at the main size, the winning tickets alone at the other.
    assert len(table) == 3 * ((1 + 4 * 3) + (1 + 3)) * (2 * 2 + 2 * 2 + 1) and set(table["examples"]) == {200}
    run = {"model": "minilm", "task": "movie", "train_size": 64, "seed": 2, "kind": "winning", "ratio": 0.3, "draw": 1}
    labels, logits = outputs(results, run, "test")
    where = "task == 'movie' and train_size == '64' and seed == 2 and kind == 'winning' and ratio == 0.3"
    rows = table.query(f"{where} and split == 'test'").set_index("metric")
    assert rows.loc["accuracy", "value"] == pytest.approx(100 * (logits.argmax(axis=1) == labels).mean())
    assert rows.loc["matthews", "value"] == pytest.approx(100 * matthews_corrcoef(labels, logits.argmax(axis=1)))


def test_comparisons_are_with_the_full_models_of_the_same_seeds(results: Path) -> None:
    table = pd.read_csv(results / "comparisons.csv", dtype={"train_size": str})
    assert len(table) == 3 * (3 * 2 + 3 * 2 + 3) + 3 * (2 + 2 + 1)  # kinds at the main size; winning at the other
    row = table.query("task == 'rating' and kind == 'random' and ratio == 0.3 and split == 'test'").iloc[0]
    differences = []
    for seed in GRID["seeds"]:
        full = score_of(results, "pearson", "test", task="rating", seed=seed, kind="full", ratio=0.0)
        tickets = [
            score_of(results, "pearson", "test", task="rating", seed=seed, kind="random", ratio=0.3, draw=draw)
            for draw in (1, 2)
        ]
        differences.append(np.mean(tickets) - full)
    assert row["difference"] == pytest.approx(np.mean(differences))
    assert (row["seeds_low"], row["seeds_high"]) == pytest.approx((min(differences), max(differences)))
    assert row["p_seeds"] == pytest.approx(permutation_p(np.array(differences)))
    assert (row["heads_pruned"], row["ffn_pruned"], row["weight_remaining"]) == (22, 1, 0.85)
    family = table.query("train_size == '64' and kind == 'winning' and reported")
    assert len(family) == 3 * 3 and set(family["split"]) == {"test", "validation"}
    np.testing.assert_allclose(family["p_holm"], holm(family["p"].to_numpy()))
    falls = family.query("task == 'movie' and ratio == 0.5").iloc[0]
    assert falls["difference"] < -10 and falls["p_holm"] < 0.5


def test_the_super_ticket_is_the_best_on_validation_whatever_test_says(results: Path, tmp_path: Path) -> None:
    chosen = verdicts(results)
    for task, metric in FIRST.items():
        means = {
            ratio: np.mean(
                [score_of(results, metric, "validation", task=task, seed=seed, ratio=ratio) for seed in (1, 2, 3)]
            )
            for ratio in GRID["ratios"]
        }
        best = max(means, key=means.get)
        full = [score_of(results, metric, "validation", task=task, seed=s, kind="full", ratio=0.0) for s in (1, 2, 3)]
        assert chosen.loc[task, "ratio"] == best and chosen.loc[task, "metric"] == metric
        assert chosen.loc[task, "ticket_same_split"] == pytest.approx(means[best])
        assert chosen.loc[task, "difference_same_split"] == pytest.approx(means[best] - np.mean(full))
    best = chosen.loc["movie", "ratio"]
    test = [
        score_of(results, "accuracy", "test", task="movie", seed=seed, ratio=best)
        - score_of(results, "accuracy", "test", task="movie", seed=seed, kind="full", ratio=0.0)
        for seed in (1, 2, 3)
    ]
    assert chosen.loc["movie", "difference_held_out"] == pytest.approx(np.mean(test))


def test_a_task_without_a_test_part_counts_cross_fitted(results: Path) -> None:
    row = verdicts(results).loc["dev_only"]
    assert row["split"] == "validation" and np.isnan(row["difference_held_out"])
    assert {row["first_half_ratio"], row["second_half_ratio"]} <= set(GRID["ratios"])
    table = verdicts(results)
    honest = [*table["p_held_out"].iloc[:2], row["p_cross_fitted"]]
    np.testing.assert_allclose(table["gain_p_holm"], holm(np.array(honest)))


def test_peaks_and_verdicts(results: Path) -> None:
    table = verdicts(results)
    movie = table.loc["movie"]
    assert movie["peak_low"] <= movie["peak_ratio"] <= movie["peak_high"] <= 0.3
    curve = pd.read_csv(results / "comparisons.csv", dtype={"train_size": str}).query(
        "task == 'movie' and train_size == '64' and kind == 'winning' and reported"
    )
    worse = curve.query("p_holm <= 0.05 and difference < 0")["ratio"]
    held = curve[curve["ratio"] < worse.min()] if len(worse) else curve
    assert movie["holds_ratio"] == held["ratio"].max() and movie["holds_weight"] == held["weight_remaining"].min()
    loss = -held["low"].min()
    last = "" if len(worse) else ", the lightest tried"
    expected = f"holds until {movie['holds_weight']:.0%} weight{last} (losses up to {loss:.1f} not excluded)"
    assert movie["verdict"] == expected


def test_a_score_that_is_not_a_number_is_refused(results: Path, tmp_path: Path) -> None:
    group = {"model": "minilm", "task": "rating", "train_size": 64, "kind": "winning"}
    run = {**group, "seed": 2, "kind": "full", "ratio": 0.0, "draw": 1}
    path = results / run_folder(run) / "predictions.parquet"
    content = path.read_bytes()
    table = pd.read_parquet(path)
    table["logits"] = [[1.0]] * len(table)
    table.to_parquet(path)
    try:
        with pytest.raises(UserError, match=r"seed2/full/predictions.parquet: pearson on test is nan"):
            score_group(results, GRID, group, "pearson", tmp_path / "scores.parquet")
        assert not list(tmp_path.iterdir())
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("record.json", lambda path: path.write_text(path.read_text().replace('"seed": 3', '"seed": 7')), "is of run"),
        ("predictions.parquet", lambda path: pd.read_parquet(path)[1:].to_parquet(path), "other validation examples"),
    ],
)
def test_a_run_that_is_not_what_it_should_be_is_refused(
    results: Path, tmp_path: Path, name: str, change: Callable[[Path], None], message: str
) -> None:
    group = {"model": "minilm", "task": "movie", "train_size": 64, "kind": "winning"}
    path = results / run_folder({**group, "seed": 3, "ratio": 0.5, "draw": 1}) / name
    content = path.read_bytes()
    change(path)
    try:
        with pytest.raises(UserError, match=rf"seed3/winning-0.50/{name}: {message}"):
            compare_group(results, GRID, group, "accuracy", tmp_path / "table.csv")
        assert not list(tmp_path.iterdir())
    finally:
        path.write_bytes(content)


def test_one_seed_and_one_ratio_have_tables_and_figures_without_intervals(results: Path, tmp_path: Path) -> None:
    grid = GRID | {"seeds": [2], "ratios": [0.3], "train_sizes": [64], "kinds": ["winning"], "draws": {"winning": 1}}
    (tmp_path / "runs").symlink_to(results / "runs")
    judge_all(tmp_path, grid)
    for function in (write_super_tickets, write_single_task_dev, write_seed_sensitivity, write_sweep):
        function(tmp_path, grid, tmp_path / "t.csv", tmp_path / "t.md", tmp_path / "t.tex")
        text = (tmp_path / "t.md").read_text()
        assert "seeds: 2." in text and "nan" not in text and not re.search(r"\d to [+-]?\d", text)
    for name in ("phase_transition", "single_task_gain", "ticket_masks"):
        FIGURES[name][0](tmp_path, grid, tmp_path / "f.pdf", tmp_path / "f.png")
    table = pd.read_csv(tmp_path / "verdicts.csv")
    assert set(table["verdict"]) == {"not to be told from one seed"} and set(table["ratio"]) == {0.3}


def test_one_seed_has_no_variance(results: Path, tmp_path: Path) -> None:
    group = {"model": "minilm", "task": "movie", "train_size": 64, "kind": "winning"}
    with pytest.raises(UserError, match="seeds has one seed"):
        decompose_group(results, GRID | {"seeds": [1]}, group, tmp_path / "table.csv")


def test_metrics_agree_with_their_definitions() -> None:
    random = np.random.default_rng(1)
    classes, guess = random.integers(0, 2, 50), random.integers(0, 2, 50)
    values, estimate = random.normal(size=50), random.normal(size=50)
    expected = {
        "accuracy": (classes == guess).mean(),
        "f1": f1_score(classes, guess),
        "matthews": np.corrcoef(classes, guess)[0, 1],
        "pearson": np.corrcoef(values, estimate)[0, 1],
        "spearman": np.corrcoef(stats.rankdata(values), stats.rankdata(estimate))[0, 1],
    }
    assert expected.keys() == FORMULAS.keys() == WEIGHTED.keys() == style.LOWEST.keys()
    for name, value in expected.items():
        true, predictions = (values, estimate) if name in ("pearson", "spearman") else (classes, guess)
        assert Score(name).compute(predictions=predictions, references=true) == {name: pytest.approx(100 * value)}
    assert predicted(np.array([[0.1, 0.7, 0.2], [3.0, 1.0, 2.0]])).tolist() == [1, 0]
    assert predicted(np.array([[0.5], [2.5]])).tolist() == [0.5, 2.5]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[plt.Figure]:
    """Figures are kept instead of being written."""
    figures: list[plt.Figure] = []
    monkeypatch.setattr(style, "save", lambda figure, *files: figures.append(figure))
    return figures


def draw(name: str, results: Path, drawn: list[plt.Figure]) -> tuple[list[Axes], str]:
    """The panels of a figure, and its note."""
    function, grid = FIGURES[name]
    function(results, grid, results / "unused.pdf", results / "unused.png")
    figure = drawn[-1]
    return figure.axes, " ".join(figure.get_supxlabel().split())


def points(axis: Axes, label: str) -> tuple[np.ndarray, np.ndarray]:
    """Places and values of the curve of this name."""
    line = next(container for container in axis.containers if container.get_label() == label).lines[0]
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)


def test_the_phase_transition_shows_what_the_scores_say(results: Path, drawn: list[plt.Figure]) -> None:
    axes, text = draw("phase_transition", results, drawn)
    titles = [axis.get_title(loc="left") for axis in axes[:3]]
    assert titles == [f"{task}, 64 training sentences" for task in GRID["tasks"]]
    assert [axis.get_ylabel() for axis in axes[:3]] == [
        "test accuracy (%)", "test pearson (x 100)", "validation accuracy (%)"
    ]  # fmt: skip
    left, right = axes[0].get_xlim()
    assert left > 1 > 0.75 > right  # the full model at the left
    scores = pd.read_parquet(results / "scores.parquet")
    main = scores.query("train_size == '64' and split == 'test' and metric == 'accuracy' and kind == 'winning'")
    means = main.query("task == 'movie'").groupby("weight_remaining")["value"].mean().sort_index(ascending=False)
    places, values = points(axes[0], "winning tickets")
    np.testing.assert_allclose(places, means.index)
    np.testing.assert_allclose(values, means)
    for words in ("minilm", "3 seeds", "200 movie test", "200 dev_only validation", "95%", "chosen on validation"):
        assert words in text
    star = next(line for line in axes[0].lines if line.get_marker() == "*")
    assert star.get_xdata()[0] == pytest.approx(1 - verdicts(results).loc["movie", "ratio"] / 2)


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
    assert all((left > right).all() for left, right in pairwise(places))  # none hides another
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
    assert labels == ["32 training sentences", "64 training sentences"]
    scores = pd.read_parquet(results / "scores.parquet").query("kind in ['full', 'winning']")
    rows = scores.query("task == 'rating' and train_size == '32' and split == 'test' and metric == 'pearson'")
    means = rows.groupby("weight_remaining")["value"].mean().sort_index(ascending=False)
    places, values = points(axes[1], labels[0])
    np.testing.assert_allclose(places, means.index, atol=0.01)  # set apart a little
    np.testing.assert_allclose(values, means)
    assert means.index[0] == 1 and "full model" in text
    shares = pd.DataFrame({"train_size": ["all", "500", "0.5", "64", "0.1"]})
    assert by_number(shares) == ["64", "500", "0.1", "0.5", "all"]
    assert [size_text(size) for size in ("64", "0.25", "all")] == [
        "64 training sentences",
        "25% of the training sentences",
        "all training sentences",
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
    found = {label: points(axes[1], label)[1] for label in ("expected loss", "bias (squared)", "variance")}
    assert [found[label][0] for label in found] == pytest.approx([loss, loss - variance, variance])
    for curve in zip(*found.values(), strict=True):
        assert curve[0] == pytest.approx(curve[1] + curve[2])
    assert "minilm" in text and "3 seeds" in text and "200 rating test" in text
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
    expected = [*table["difference_held_out"].iloc[:2], table.loc["dev_only", "difference_cross_fitted"]]
    np.testing.assert_allclose(np.asarray(honest, dtype=float), expected)
    assert [patch.get_height() for patch in axes[1].patches] == pytest.approx(table["weight_remaining"].tolist())
    for words in ("minilm", "64 training sentences", "3 seeds", "movie accuracy", "dev_only accuracy"):
        assert words in text


def test_masks_show_the_share_of_seeds_that_keep_a_unit(results: Path, drawn: list[plt.Figure]) -> None:
    axes, text = draw("ticket_masks", results, drawn)
    heads, ffn = (mesh.get_array() for mesh in axes[0].collections)
    np.testing.assert_allclose(heads, [[1, 1, 1], [1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(ffn, [[1], [2 / 3]])
    row = verdicts(results).loc["movie"]
    assert axes[0].get_title(loc="left") == f"movie: ratio {row['ratio']:g}, {row['weight_remaining']:.0%} weight"
    assert "3 seeds" in text and "64 training sentences" in text and "validation" in text


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_written_whole_and_the_same_again(results: Path, tmp_path: Path, name: str) -> None:
    function, grid = FIGURES[name]
    for copy in ("one", "two"):
        function(results, grid, tmp_path / f"{copy}.pdf", tmp_path / f"{copy}.png")
    assert (tmp_path / "one.pdf").read_bytes().startswith(b"%PDF") and (tmp_path / "one.png").stat().st_size > 10_000
    for suffix in ("pdf", "png"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def table_of(function: Callable[..., None], results: Path, folder: Path, grid: dict, **more: Any) -> tuple[str, str]:
    """The Markdown and LaTeX of a table; its CSV file is in the folder."""
    function(results, grid, **more, csv=folder / "t.csv", md=folder / "t.md", tex=folder / "t.tex")
    md, tex = ((folder / f"t.{suffix}").read_text() for suffix in ("md", "tex"))
    for words in ("minilm", *GRID["tasks"], "seeds: 1, 2, 3", "64"):
        assert words in md and words.replace("_", "\\_") in tex
    for rule in ("toprule", "midrule", "bottomrule"):
        assert f"\\{rule}" in tex
    assert "nan" not in md and "nan" not in tex.replace("enan", "")
    return md, tex


def test_the_table_of_super_tickets(results: Path, tmp_path: Path) -> None:
    md, tex = table_of(write_super_tickets, results, tmp_path, SIZES)
    row = verdicts(results).loc["movie"]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in md.splitlines() if line.startswith("|")]
    (cells,) = [cells for cells in rows if cells[1:3] == ["movie", "64"]]
    assert cells[3] == f"{row['ratio']:.2f}" and cells[6] == f"{row['weight_remaining']:.1%}"
    assert cells[-1] == row["verdict"] and "test split (movie, rating) and the validation split (dev_only)" in md
    assert row["verdict"].replace("%", "\\%") in tex
    assert len(pd.read_csv(tmp_path / "t.csv")) == 3 * 2


def test_the_table_of_the_single_task_part(results: Path, tmp_path: Path) -> None:
    md, _ = table_of(write_single_task_dev, results, tmp_path, SIZES)
    table = pd.read_csv(tmp_path / "t.csv", dtype={"train_size": str}).query("train_size == '64'").set_index("task")
    found = verdicts(results)
    for way in ("same_split", "cross_fitted", "held_out"):
        np.testing.assert_allclose(table[f"difference_{way}"].drop("average"), found[f"difference_{way}"])
    assert table.loc["average", "difference_cross_fitted"] == pytest.approx(found["difference_cross_fitted"].mean())
    assert np.isnan(table.loc["dev_only", "difference_held_out"])
    honest = [*found["difference_held_out"].iloc[:2], found.loc["dev_only", "difference_cross_fitted"]]
    average = table.loc["average"]
    assert average["difference"] == pytest.approx(np.mean(honest)) and np.isnan(average["difference_held_out"])
    assert average["low"] < average["difference"] < average["high"]
    for head in ("Gain, same split", "Gain, cross-fitted", "Gain, test"):
        assert head in md
    row = found.loc["movie"]
    interval = f"{row['difference_held_out']:+.1f} ({row['low_held_out']:+.1f} to {row['high_held_out']:+.1f})"
    assert interval in md and f"{row['full_held_out']:.1f}" in md


def test_the_table_of_spreads_over_seeds(results: Path, tmp_path: Path) -> None:
    table_of(write_seed_sensitivity, results, tmp_path, SIZES)
    table = pd.read_csv(tmp_path / "t.csv", dtype={"train_size": str}).query("train_size == '64'").set_index("task")
    scores = [score_of(results, "pearson", "test", task="rating", seed=s, kind="full", ratio=0.0) for s in (1, 2, 3)]
    found = table.loc["rating", ["full_mean", "full_std", "full_min", "full_max"]].tolist()
    assert found == pytest.approx([np.mean(scores), np.std(scores, ddof=1), min(scores), max(scores)])


def test_the_table_of_the_sweep(results: Path, tmp_path: Path) -> None:
    md, tex = table_of(write_sweep, results, tmp_path, GRID)
    table = pd.read_csv(tmp_path / "t.csv", dtype={"train_size": str})
    assert len(table) == (2 * 2 + 2 * 2 + 1) * (1 + 3 * 3 + 1 + 3)
    row = table.query(
        "task == 'movie' and kind == 'random' and ratio == 0.5 and split == 'test' and metric == 'accuracy'"
    )
    comparison = pd.read_csv(results / "comparisons.csv").query(
        "task == 'movie' and kind == 'random' and ratio == 0.5 and split == 'test'"
    )
    assert row["difference"].item() == comparison["difference"].item() and row["seeds"].item() == 3
    shown = [line for line in md.splitlines() if line.startswith("| minilm")]
    assert len(shown) == 3 * (1 + 3 * 3 + 1 + 3) and "longtable" in tex


def test_the_table_of_tasks(results: Path, tmp_path: Path) -> None:
    labels = {"labels": ["no", "yes"]}
    definitions = {
        task: {"type": "regression" if task == "rating" else "classification", "metrics": METRICS[task].split(",")}
        | ({} if task == "rating" else labels)
        for task in GRID["tasks"]
    }
    md, _ = table_of(write_tasks, results, tmp_path, MAIN, definitions=definitions)
    table = pd.read_csv(tmp_path / "t.csv").set_index("task")
    assert table.loc["movie", ["train", "validation", "test", "test_scored"]].tolist() == [6, 2, 0, 200]
    assert table.loc["movie", "largest_class"] == pytest.approx(4 / 6) and table.loc["dev_only", "test_scored"] == 0
    assert "accuracy, matthews" in md


def test_the_table_of_settings_is_of_the_records(results: Path, tmp_path: Path) -> None:
    kinds = {"winning": PRUNING | {"ffn_rule": "share"}, "random": PRUNING | {"like": "random", "ffn_rule": "share"}}
    kinds["stepwise"] = kinds["winning"] | {"steps": 3, "units": "heads", "importance": "taylor"}
    md, _ = table_of(write_hyperparameters, results, tmp_path, SIZES, pruning=kinds, max_length=64)
    table = pd.read_csv(tmp_path / "t.csv")
    assert len(table) == 3 * 2 and set(table["learning_rate"]) == {1e-4} and set(table["steps"]) == {24}
    assert "cut to 64 tokens" in md
    assert "winning by sensitivity of the fine-tuned weights, heads and FFNs, at once" in md
    assert "stepwise by taylor of the fine-tuned weights, heads alone, 3 steps" in md and "random by" not in md


def test_no_p_is_zero_and_latex_shows_it(tmp_path: Path) -> None:
    files = Files(*(tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")))
    write_formats(pd.DataFrame({"p": [0.0004, 0.5, np.nan]}), {"p": ("p", P)}, "A note.", files)
    assert "<0.001" in files.md.read_text() and "0.500" in files.md.read_text()
    assert "\\textless{}0.001" in files.tex.read_text() and "<" not in files.tex.read_text()

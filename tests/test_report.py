"""Scores, super tickets and figures, from predictions written by the tests."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score, matthews_corrcoef

from supertickets.curves import note, panels, size_text
from supertickets.errors import UserError
from supertickets.grid import runs_of
from supertickets.intervals import mean_intervals
from supertickets.layout import run_folder
from supertickets.metrics import FORMULAS, Score, predicted
from supertickets.phase_transition import REMARK, draw_phase_transition, panel
from supertickets.scores import collect_scores
from supertickets.selection import super_tickets
from supertickets.ticket_kinds import draw_ticket_kinds
from supertickets.ticket_kinds import panel as kinds_panel

GRID = {
    "models": ["minilm"],
    "tasks": ["movie", "rating"],
    "train_sizes": [64],
    "seeds": [1, 2, 3],
    "kinds": ["winning", "losing", "random"],
    "random_draws": 2,
    "ratios": [0.1, 0.3, 0.5],
}
METRICS = {"movie": ["accuracy", "matthews"], "rating": ["pearson", "spearman"]}
#: Share of the predictions that are right, by ratio.
RIGHT = {0.0: 0.8, 0.1: 0.85, 0.3: 0.82, 0.5: 0.7}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with made-up predictions, scored."""
    folder = tmp_path_factory.mktemp("results")
    random = np.random.default_rng(0)
    for run in runs_of(GRID):
        where = folder / run_folder(run)
        where.mkdir(parents=True)
        record = {"run": run, "heads_pruned": round(72 * run["ratio"]), "ffn_pruned": 1}
        record["weight_remaining"] = 1 - run["ratio"] / 2
        (where / "record.json").write_text(json.dumps(record))
        labels = np.tile([0.0, 1.0], 200)
        if run["task"] == "movie":
            hit = random.random(400) < RIGHT[run["ratio"]]
            logits = np.where((labels == 1) == hit, 1.0, -1.0)[:, None] * [-0.5, 0.5]
        else:
            labels = random.normal(size=400)
            logits = (labels + random.normal(size=400) * (1 + run["ratio"]))[:, None]
        table = {"id": [f"e{index}" for index in range(400)], "split": ["validation"] * 200 + ["test"] * 200}
        pd.DataFrame(table | {"label": labels, "logits": list(logits)}).to_parquet(where / "predictions.parquet")
    collect_scores(folder, GRID, METRICS, folder / "scores.parquet", folder / "scores.csv")
    return folder


def test_scores_are_tidy_and_right(results: Path) -> None:
    table = pd.read_parquet(results / "scores.parquet")
    pd.testing.assert_frame_equal(table, pd.read_csv(results / "scores.csv", dtype={"train_size": str}))
    columns = "model task train_size seed kind ratio draw heads_pruned ffn_pruned weight_remaining split metric value"
    assert table.columns.tolist() == [*columns.split(), "examples"]
    assert len(table) == 2 * 3 * (1 + 4 * 3) * 2 * 2 and set(table["examples"]) == {200}
    run = {"model": "minilm", "task": "movie", "train_size": 64, "seed": 2, "kind": "winning", "ratio": 0.3, "draw": 1}
    predictions = pd.read_parquet(results / run_folder(run) / "predictions.parquet").iloc[200:]
    outputs = np.stack(predictions["logits"].tolist()).argmax(axis=1)
    rows = table.query(
        "task == 'movie' and seed == 2 and kind == 'winning' and ratio == 0.3 and split == 'test'"
    ).set_index("metric")
    assert rows.loc["accuracy", "value"] == pytest.approx(100 * (outputs == predictions["label"]).mean())
    assert rows.loc["matthews", "value"] == pytest.approx(100 * matthews_corrcoef(predictions["label"], outputs))


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
    assert expected.keys() == FORMULAS.keys()
    for name, value in expected.items():
        true, predictions = (values, estimate) if name in ("pearson", "spearman") else (classes, guess)
        assert Score(name).compute(predictions=predictions, references=true) == {name: pytest.approx(100 * value)}
    assert predicted(np.array([[0.1, 0.7, 0.2], [3.0, 1.0, 2.0]])).tolist() == [1, 0]
    assert predicted(np.array([[0.5], [2.5]])).tolist() == [0.5, 2.5]


def test_a_score_that_is_not_a_number_is_refused(results: Path, tmp_path: Path) -> None:
    run = {"model": "minilm", "task": "rating", "train_size": 64, "seed": 2, "kind": "full", "ratio": 0.0, "draw": 1}
    path = results / run_folder(run) / "predictions.parquet"
    content = path.read_bytes()
    table = pd.read_parquet(path)
    table["logits"] = [[1.0]] * len(table)
    table.to_parquet(path)
    try:
        with pytest.raises(UserError, match=r"seed2/full/predictions.parquet: pearson on test is nan"):
            collect_scores(results, GRID, METRICS, tmp_path / "scores.parquet", tmp_path / "scores.csv")
    finally:
        path.write_bytes(content)


def test_a_record_in_the_wrong_folder_is_refused(results: Path, tmp_path: Path) -> None:
    run = next(iter(runs_of(GRID)))
    record = results / run_folder(run) / "record.json"
    content = record.read_text()
    record.write_text(content.replace('"seed": 1', '"seed": 7'))
    try:
        with pytest.raises(UserError, match=r"seed1/full/record.json: is of run .*'seed': 7"):
            collect_scores(results, GRID, METRICS, tmp_path / "scores.parquet", tmp_path / "scores.csv")
        assert not list(tmp_path.iterdir())
    finally:
        record.write_text(content)


def test_the_super_ticket_is_the_best_on_validation_whatever_test_says(results: Path) -> None:
    scores = pd.read_parquet(results / "scores.parquet")
    first = {"movie": "accuracy", "rating": "pearson"}
    chosen = super_tickets(scores, first).set_index("task")
    validation = scores.query("split == 'validation' and kind == 'winning'")
    for task, metric in first.items():
        means = validation.query("task == @task and metric == @metric").groupby("ratio")["value"].mean()
        assert chosen.loc[task, "ratio"] == means.idxmax()
        assert chosen.loc[task, "validation_mean"] == pytest.approx(means.max())
        assert chosen.loc[task, "metric"] == metric and chosen.loc[task, "seeds"] == 3
    spoiled = scores.copy()
    spoiled.loc[spoiled["split"] == "test", "value"] *= -1
    assert (super_tickets(spoiled, first)["ratio"] == chosen["ratio"].to_numpy()).all()
    full = scores.query("task == 'movie' and kind == 'full' and split == 'test' and metric == 'accuracy'")["value"]
    assert chosen.loc["movie", "full_test"] == pytest.approx(full.mean())
    flat = scores.assign(value=1.0)
    assert set(super_tickets(flat, first)["ratio"]) == {0.1}


def test_intervals_are_students() -> None:
    values = [70.0, 72.0, 77.0]
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    scores = pd.DataFrame({"ratio": [0.1, 0.1, 0.1, 0.2], "value": [*values, 50.0]})
    table = mean_intervals(scores, ["ratio"])
    several, single = table.loc[0.1], table.loc[0.2]
    assert (several["mean"] - several["half"], several["mean"] + several["half"]) == pytest.approx((low, high))
    assert (single["mean"], single["half"], single["seeds"]) == (50, 0, 1)


def test_the_figure_shows_what_the_scores_say(results: Path, tmp_path: Path) -> None:
    scores = pd.read_parquet(results / "scores.parquet")
    chosen = super_tickets(scores, {"movie": "accuracy", "rating": "pearson"})
    test = scores[scores["split"] == "test"]
    figure = panels(test[test["kind"].isin(["full", "winning"])], chosen, panel, REMARK)
    axes = [axis for axis in figure.axes if axis.get_title(loc="left")]
    assert [axis.get_title(loc="left") for axis in axes] == [
        "movie, 64 training sentences",
        "rating, 64 training sentences",
    ]
    left, right = axes[0].get_xlim()
    assert left > 1 > 0.75 > right  # the full model at the left
    curve = axes[0].containers[0].lines[0]
    rows = test.query("task == 'movie' and metric == 'accuracy' and kind == 'winning'")
    means = rows.groupby("weight_remaining")["value"].mean().sort_index(ascending=False)
    np.testing.assert_allclose(np.asarray(curve.get_xdata(), dtype=float), means.index)
    np.testing.assert_allclose(np.asarray(curve.get_ydata(), dtype=float), means)
    text = note(test, chosen, REMARK)
    assert "minilm" in text and "3 seeds" in text and "200 movie" in text and "95%" in text and "validation" in text

    chosen.to_csv(tmp_path / "super_tickets.csv", index=False)
    for name in ("one", "two"):
        draw_phase_transition(
            results / "scores.parquet",
            tmp_path / "super_tickets.csv",
            tmp_path / f"{name}.pdf",
            tmp_path / f"{name}.png",
        )
    for suffix in ("pdf", "png"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def test_sizes_are_told_in_words() -> None:
    assert [size_text(size) for size in ("64", "0.25", "all")] == [
        "64 training sentences",
        "25% of the training sentences",
        "all training sentences",
    ]


def test_kinds_are_drawn_side_by_side_and_draws_of_a_seed_count_as_one(results: Path, tmp_path: Path) -> None:
    scores = pd.read_parquet(results / "scores.parquet")
    chosen = super_tickets(scores, {"movie": "accuracy", "rating": "pearson"})
    test = scores[scores["split"] == "test"]
    axis = panels(test, chosen, kinds_panel, "").axes[0]
    curves = {container.get_label(): container for container in axis.containers}
    assert list(curves) == ["winning", "random", "losing"]
    rows = test.query("task == 'movie' and metric == 'accuracy' and kind == 'random'")
    assert len(rows) == 3 * 2 * 3
    by_seed = rows.groupby(["ratio", "seed"])["value"].mean().unstack()
    np.testing.assert_allclose(np.asarray(curves["random"].lines[0].get_ydata(), dtype=float), by_seed.mean(axis=1))
    segments = curves["random"].lines[2][0].get_segments()
    half = stats.t.ppf(0.975, 2) * by_seed.std(axis=1) / 3**0.5
    np.testing.assert_allclose([(segment[1, 1] - segment[0, 1]) / 2 for segment in segments], half)
    places = [np.asarray(curves[name].lines[0].get_xdata(), dtype=float) for name in curves]
    assert all((left > right).all() for left, right in pairwise(places))  # none hides another
    assert "random: of 2 draws" in note(test, chosen, "")
    chosen.to_csv(tmp_path / "super_tickets.csv", index=False)
    pdf, png = tmp_path / "kinds.pdf", tmp_path / "kinds.png"
    draw_ticket_kinds(results / "scores.parquet", tmp_path / "super_tickets.csv", pdf, png)
    assert pdf.read_bytes().startswith(b"%PDF") and png.stat().st_size > 10_000

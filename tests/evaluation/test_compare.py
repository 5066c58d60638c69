"""Scores, comparisons and super tickets, from records and predictions that the tests write."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import names_in
from made_up_runs import FIRST, GRID, MAIN, judge_all, outputs, score_of, verdicts, write_runs
from scipy import stats
from sklearn.metrics import f1_score, matthews_corrcoef

from supertickets.errors import UserError
from supertickets.evaluation.compare import compare_group
from supertickets.evaluation.decompose import decompose_group
from supertickets.evaluation.evaluate_module import Score
from supertickets.evaluation.metric import predicted
from supertickets.evaluation.score import score_group
from supertickets.evaluation.select_ticket import select_ticket
from supertickets.evaluation.significance import holm, permutation_p
from supertickets.experiment.paths import run_folder


def test_scores_are_tidy_and_right(results: Path) -> None:
    table = pd.read_parquet(results / "scores.parquet")
    pd.testing.assert_frame_equal(table, pd.read_csv(results / "scores.csv", dtype={"train_size": str}))
    run, cut = "model task train_size seed kind ratio draw", "heads_pruned ffn_pruned weight_remaining precision"
    assert table.columns.tolist() == f"{run} {cut} split metric value examples".split()
    # Three seeds; the full model and four tickets per ratio at the main size, only winning tickets at the other size.
    assert len(table) == 3 * ((1 + 4 * 3) + (1 + 3)) * (2 * 2 + 2 * 2 + 1) and set(table["examples"]) == {200}
    run = {"model": "minilm", "task": "movie", "train_size": 64, "seed": 2, "kind": "winning", "ratio": 0.3, "draw": 1}
    labels, logits = outputs(results, run, "test")
    where = "task == 'movie' and train_size == '64' and seed == 2 and kind == 'winning' and ratio == 0.3"
    rows = table.query(f"{where} and split == 'test'").set_index("metric")
    assert rows.loc["accuracy", "value"] == pytest.approx(100 * (logits.argmax(axis=1) == labels).mean())
    assert rows.loc["matthews", "value"] == pytest.approx(100 * matthews_corrcoef(labels, logits.argmax(axis=1)))


def test_comparisons_are_with_the_full_models_of_the_same_seeds(results: Path) -> None:
    table = pd.read_csv(results / "comparisons.csv", dtype={"train_size": str})
    assert len(table) == 3 * (3 * 2 + 3 * 2 + 3) + 3 * (2 + 2 + 1)  # all kinds at the main size, winning at the other
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


def test_a_given_full_model_is_fixed_so_that_its_luck_is_that_of_the_examples_alone(tmp_path: Path) -> None:
    grid = MAIN | {"tasks": ["movie"], "train_sizes": [64]}
    write_runs(tmp_path, grid)
    files = sorted((tmp_path / "runs").glob("*/*/*/*/full/predictions.parquet"))
    for path in files[1:]:
        shutil.copy(files[0], path)
    judge_all(tmp_path, grid)
    compared = pd.read_csv(tmp_path / "comparisons.csv").query("split == 'test' and ratio == 0.3").iloc[0]
    scores = [score_of(tmp_path, "accuracy", "test", task="movie", seed=seed, ratio=0.3) for seed in (1, 2, 3)]
    run = {"model": "minilm", "task": "movie", "train_size": 64, "seed": 2, "kind": "full", "ratio": 0.0, "draw": 1}
    labels, logits = outputs(tmp_path, run, "test")
    score = 100 * (logits.argmax(axis=1) == labels).mean()
    assert compared["full"] == pytest.approx(score) and compared["seeds_error"] == pytest.approx(stats.sem(scores))
    # Three seeds that agree would leave two degrees of freedom: the 200 examples tell 80 from 50.
    assert compared["p_chance"] < 1e-6 < stats.t.sf((score - 50) / 2.5, 2)


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
    assert chosen.loc["movie", "difference_other_split"] == pytest.approx(np.mean(test))


def test_a_task_without_a_test_part_is_reported_on_halves(results: Path) -> None:
    table = verdicts(results)
    row = table.loc["dev_only"]
    assert row["split"] == "validation" and np.isnan(row["difference_other_split"])
    assert np.isfinite(row[["difference_other_half", "difference_other_seeds"]].astype(float)).all()
    np.testing.assert_allclose(table["gain_p_holm"], holm(table["p_other_seeds"].to_numpy()))


def test_peaks_and_verdicts(results: Path) -> None:
    movie = verdicts(results).loc["movie"]
    assert movie["peak_low"] <= movie["peak_ratio"] <= movie["peak_high"] <= 0.3
    assert movie["margin"] == 1 and movie["detectable"] > 1 and movie["seeds_needed"] > 3
    assert movie["verdict"].startswith("undecided: a difference of ") and movie["keeps_ratio"] == 0


def test_an_undefined_score_is_missing_and_named_and_stops_nothing(
    results: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    group = {"model": "minilm", "task": "rating", "train_size": 64, "kind": "winning"}
    shutil.copytree(results / "runs/minilm/rating/n64", tmp_path / "runs/minilm/rating/n64")
    path = tmp_path / run_folder({**group, "seed": 2, "ratio": 0.1, "draw": 1}) / "predictions.parquet"
    table = pd.read_parquet(path)
    table["logits"] = [[1.0]] * len(table)
    table.to_parquet(path)
    score_group(tmp_path, GRID, group, "pearson", tmp_path / "scores.parquet")
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    assert scores[scores["value"].isna()][["seed", "ratio", "split"]].to_numpy().tolist() == [
        [2, 0.1, "test"], [2, 0.1, "validation"]
    ]  # fmt: skip
    assert "seed2/winning-0.10/predictions.parquet: pearson on test is undefined" in caplog.text
    compare_group(tmp_path, GRID, group, "pearson", tmp_path / "compared.csv")
    compared = pd.read_csv(tmp_path / "compared.csv").query("split == 'test'").set_index("ratio")
    assert compared["difference"].isna().to_dict() == {0.1: True, 0.3: False, 0.5: False}
    select_ticket(tmp_path, GRID, group, "pearson", tmp_path / "chosen.csv")
    assert pd.read_csv(tmp_path / "chosen.csv")[["ratio", "peak_ratio"]].isin([0.3, 0.0, 0.5]).all(axis=None)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("record.json", lambda path: path.write_text(path.read_text().replace('"seed": 3', '"seed": 7')), "is of run"),
        ("predictions.parquet", lambda path: pd.read_parquet(path)[1:].to_parquet(path), "other examples"),
    ],
)
def test_a_run_that_is_not_what_it_should_be_is_refused(
    results: Path, tmp_path: Path, name: str, change: Callable[[Path], None], message: str
) -> None:
    group = {"model": "minilm", "task": "movie", "train_size": 64, "kind": "winning"}
    path = results / run_folder({**group, "seed": 3, "ratio": 0.5, "draw": 1}) / name
    saved = path.read_bytes()
    change(path)
    try:
        with pytest.raises(UserError, match=rf"seed3/winning-0.50/{name}: {message}"):
            compare_group(results, GRID, group, "accuracy", tmp_path / "table.csv")
        assert not list(tmp_path.iterdir())
    finally:
        path.write_bytes(saved)


def _rows(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    """Change the rows of a Parquet file."""
    return lambda path: change(pd.read_parquet(path)).to_parquet(path)


def _no_text(path: Path) -> None:
    """Replace the ids of a Parquet file by bytes that are not UTF-8."""
    table = pq.read_table(path)
    ids = pa.array([b"\xff%d" % row for row in range(len(table))]).view(pa.string())
    pq.write_table(table.set_column(0, "id", ids), path)


@pytest.mark.parametrize(
    ("task", "change", "message"),
    [
        ("movie", _rows(lambda rows: rows.assign(label=pd.Timestamp(1))), "column 'label' is missing or has no"),
        ("movie", _rows(lambda rows: rows[rows["split"] == "test"]), "no validation examples, on which"),
        ("movie", _rows(lambda rows: rows.groupby("split").head(1)), "validation has 1 examples.*give 2 at least"),
        ("rating", _rows(lambda rows: rows.groupby("split").head(3)), "validation has 3 examples.*give 4 at least"),
        ("movie", _no_text, "not a table"),
    ],
)
def test_predictions_that_all_runs_have_and_that_cannot_be(
    results: Path, tmp_path: Path, task: str, change: Callable[[Path], None], message: str
) -> None:
    group = {"model": "minilm", "task": task, "train_size": 64, "kind": "winning"}
    runs = f"runs/minilm/{task}/n64"
    shutil.copytree(results / runs, tmp_path / runs)
    for path in tmp_path.glob(f"{runs}/*/*/predictions.parquet"):
        change(path)
    with pytest.raises(UserError, match=rf"predictions.parquet: .*{message}.*delete it to have it made again$"):
        select_ticket(tmp_path, GRID, group, FIRST[task], tmp_path / "table.csv")
    assert not (tmp_path / "table.csv").exists()


def test_one_seed_has_no_variance(results: Path, tmp_path: Path) -> None:
    group = {"model": "minilm", "task": "movie", "train_size": 64, "kind": "winning"}
    with pytest.raises(UserError, match="seeds has one seed"):
        decompose_group(results, GRID | {"seeds": [1]}, group, tmp_path / "table.csv")


def test_metrics_agree_with_their_definitions() -> None:
    random = np.random.default_rng(1)
    classes, guess = random.integers(0, 2, 50), random.integers(0, 2, 50)
    values, estimate = random.normal(size=50), random.normal(size=50)
    by_class = [f1_score(classes == of, guess == of) for of in (0, 1)]
    expected = {
        "accuracy": (classes == guess).mean(),
        "balanced_accuracy": np.mean([(guess[classes == of] == of).mean() for of in (0, 1)]),
        "f1": by_class[1],
        "f1_of_first": by_class[0],
        "macro_f1": np.mean(by_class),
        "weighted_f1": np.average(by_class, weights=np.bincount(classes)),
        "matthews": np.corrcoef(classes, guess)[0, 1],
        "pearson": np.corrcoef(values, estimate)[0, 1],
        "spearman": np.corrcoef(stats.rankdata(values), stats.rankdata(estimate))[0, 1],
    }
    assert expected.keys() <= names_in("evaluation/metrics")
    for name, value in expected.items():
        true, predictions = (values, estimate) if name in ("pearson", "spearman") else (classes, guess)
        assert Score(name).compute(predictions=predictions, references=true) == {name: pytest.approx(100 * value)}
    assert predicted(np.array([[0.1, 0.7, 0.2], [3.0, 1.0, 2.0]])).tolist() == [1, 0]
    assert predicted(np.array([[0.5], [2.5]])).tolist() == [0.5, 2.5]

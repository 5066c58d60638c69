"""Our scores beside the published scores, from records and predictions that the tests write."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import PROJECT
from made_up_runs import GLUE, score_of, write_runs
from scipy import stats

from supertickets.evaluation.power import Spread
from supertickets.evaluation.results import chosen_ratio, read_groups, read_judged
from supertickets.evaluation.significance import holm
from supertickets.experiment.grid import groups_of
from supertickets.report.tables.published import write_published
from supertickets.report.tables.single_task_dev import write_single_task_dev
from supertickets.report.tables.super_tickets import write_super_tickets

PUBLISHED = yaml.safe_load((PROJECT / "workflow" / "published.yaml").read_text())


@pytest.fixture(scope="module")
def glue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write results of the eight tasks with BERT-base; MNLI has a mismatched part."""
    folder = tmp_path_factory.mktemp("glue")
    write_runs(folder, GLUE)
    return folder


def written(function: Any, results: Path, folder: Path, grid: dict[str, Any] = GLUE, **more: Any) -> pd.DataFrame:
    function(results, grid, **more, csv=folder / "t.csv", md=folder / "t.md", tex=folder / "t.tex")
    return pd.read_csv(folder / "t.csv")


def by_task(scores: dict[str, dict[str, float]]) -> float:
    return float(np.mean([np.mean(list(of_task.values())) for of_task in scores.values()]))


@pytest.mark.parametrize(
    ("model", "averages"),
    [("bert-base", {"full": 82.4, "shared": 83.3}), ("bert-large", {"full": 84.4, "shared": 85.4})],
)
def test_the_published_averages_are_those_of_the_published_scores(model: str, averages: dict[str, float]) -> None:
    tasks = PUBLISHED[model]["tasks"]
    assert set(tasks) == set(GLUE["tasks"])
    for which, average in averages.items():
        mean = by_task({task: numbers[which] for task, numbers in tasks.items()})
        assert mean == pytest.approx(average, abs=0.051)


def test_ours_and_published_scores_stand_in_one_row(glue: Path, tmp_path: Path) -> None:
    published = {"bert-base": PUBLISHED["bert-base"]}
    table = written(write_published, glue, tmp_path, published=published)
    assert len(table) == 8 + 4 + 1  # MNLI's second part, the second metrics of QQP, MRPC and STS-B, and the average
    row = table.query("task == 'mrpc' and metric == 'f1'").iloc[0]
    where = {"model": "bert-base", "task": "mrpc", "train_size": "all"}
    ratio = pd.read_csv(glue / "selections/bert-base/mrpc/nall/winning.csv")["ratio"].item()
    full = np.array(
        [score_of(glue, "f1", "validation", **where, seed=s, kind="full", ratio=0.0) for s in GLUE["seeds"]]
    )
    tickets = np.array([score_of(glue, "f1", "validation", **where, seed=s, ratio=ratio) for s in GLUE["seeds"]])
    assert (row["full"], row["ticket"]) == pytest.approx((full.mean(), tickets.mean()))
    half = stats.t.ppf(0.975, 2) * np.std(tickets - full, ddof=1) / 3**0.5
    gain = (tickets - full).mean()
    assert (row["gain"], row["gain_low"], row["gain_high"]) == pytest.approx((gain, gain - half, gain + half))
    assert (row["published_full"], row["published_shared"]) == (86.2, 90.5)
    assert (row["published_heads_pruned"], row["published_ffn_pruned"]) == (43, 3)
    first = table.query("task == 'mrpc' and metric == 'accuracy'").iloc[0]
    assert first["chance"] == 50 and np.isnan(row["chance"])  # of the first metric
    mismatched = table.query("task == 'mnli' and metric == 'accuracy_mismatched'").iloc[0]
    assert (mismatched["published_full"], mismatched["published_shared"]) == (84.2, 84.1)
    average = table.iloc[-1]
    assert average["full"] == pytest.approx(table[:-1].groupby("task")["full"].mean().mean())
    assert average["gain"] == pytest.approx(average["ticket"] - average["full"])
    assert average["published_full"] == pytest.approx(82.35) and average["published_gain"] == 0.9
    assert average["published_super"] == pytest.approx(83.475) and average["published_super_weight"] == 0.868
    assert (average["published_shared_weight"], average["printed_shared_weight"]) == (0.923, 0.929)
    text = (tmp_path / "t.md").read_text()
    assert "flatters" in text and "not to be matched" in text and "nan" not in text and "undefined" not in text


def test_tasks_that_were_not_run_have_no_row_and_no_average_is_taken(glue: Path, tmp_path: Path) -> None:
    grid = GLUE | {"tasks": ["rte", "mrpc"]}
    table = written(write_published, glue, tmp_path, grid, published=PUBLISHED | {})
    assert table["task"].tolist() == ["rte", "mrpc", "mrpc"] and table["published_gain"].isna().all()


def test_tasks_without_a_score_are_named(glue: Path, tmp_path: Path) -> None:
    grid = GLUE | {"tasks": ["rte", "mrpc", "cola"]}
    (tmp_path / "comparisons").symlink_to(glue / "comparisons")
    for folder in ("scores", "selections"):
        shutil.copytree(glue / folder, tmp_path / folder)
    chosen = tmp_path / "selections/bert-base/cola/nall/winning.csv"
    pd.read_csv(chosen).assign(ratio=np.nan, weight_remaining=np.nan).to_csv(chosen, index=False)
    scored = tmp_path / "scores/bert-base/mrpc/nall/winning.parquet"
    table = pd.read_parquet(scored)
    undefined = (table["ratio"] == 0) & (table["seed"] == 1) & (table["metric"] == "f1")
    table.assign(value=table["value"].mask(undefined)).to_parquet(scored)
    written(write_published, tmp_path, tmp_path, grid, published=PUBLISHED)
    without = "No super ticket, as validation scores of every ratio are undefined: cola."
    assert f"for all examples (1 row of mrpc). {without}" in (tmp_path / "t.md").read_text()


MNLI = {"model": "bert-base", "task": "mnli", "train_size": "all"}
MISMATCHED = "task == 'mnli' and split == 'validation_mismatched'"


def of_seeds(results: Path, split: str, kind: str, ratio: float) -> np.ndarray:
    """What MNLI's runs of a ratio score."""
    scores = [score_of(results, "accuracy", split, **MNLI, kind=kind, ratio=ratio, seed=seed) for seed in GLUE["seeds"]]
    return np.array(scores)


def test_mnlis_mismatched_part_is_reported_beside_its_matched_part(glue: Path, tmp_path: Path) -> None:
    table = written(write_single_task_dev, glue, tmp_path)
    row = table.query(MISMATCHED).iloc[0]
    ratio = table.query("task == 'mnli' and split == 'validation'")["ratio"].item()
    assert chosen_ratio(glue, MNLI, 1) == ratio == row["ratio"]
    comparison = pd.read_csv(glue / "comparisons.csv").query(f"{MISMATCHED} and ratio == {ratio}")
    assert row["difference_other_split"] == pytest.approx(comparison["difference"].item())
    assert np.isnan(row[["difference_same_split", "difference_other_half"]].astype(float)).all()
    # The other seeds choose each seed's ticket on the matched part.
    chosen_by, scored = (
        {ratio: of_seeds(glue, split, "winning", ratio) for ratio in GLUE["ratios"]}
        for split in ("validation", "validation_mismatched")
    )
    full = of_seeds(glue, "validation_mismatched", "full", 0.0)
    gains = []
    for seed in range(3):
        others = np.delete(np.arange(3), seed)
        own = max(GLUE["ratios"], key=lambda ratio: chosen_by[ratio][others].mean())
        gains.append(scored[own][seed] - full[seed])
    assert row["difference"] == row["difference_other_seeds"] == pytest.approx(np.mean(gains))
    assert row["gain_p_holm"] == pytest.approx(row["p_other_seeds"])  # the one task with such a part
    text = (tmp_path / "t.md").read_text()
    assert "mnli (mismatched)" in text and "Mismatched: " in text and "Gain, test" in text
    assert table["task"].tolist()[-1] == "average" and len(table) == 8 + 1 + 1
    matched = table[table["split"] == "validation"]
    assert table.iloc[-1]["difference_same_split"] == pytest.approx(matched["difference_same_split"].mean())
    assert table.iloc[-1]["difference"] == pytest.approx(matched["difference"].mean())


def test_mnlis_mismatched_part_has_a_verdict_of_its_own(glue: Path, tmp_path: Path) -> None:
    table = written(write_super_tickets, glue, tmp_path)
    assert table["task"].tolist() == ["mnli", *GLUE["tasks"]]
    assert "| mnli (mismatched) " in (tmp_path / "t.md").read_text()
    compared = pd.read_csv(glue / "comparisons.csv")
    curve = compared.query(MISMATCHED)
    row = table.query(MISMATCHED).iloc[0]
    assert row["detectable"] == pytest.approx(Spread.of(curve).detectable(3, 200, tests=2))
    np.testing.assert_allclose(curve["p_holm"], holm(curve["p"].to_numpy()))
    assert row["verdict"] and row["verdict"] != table["verdict"].iloc[0]
    means = {0.0: curve["full"].iloc[0], **curve.set_index("ratio")["ticket"]}
    assert row["peak_ratio"] == max(means, key=means.__getitem__)
    # All else is of one part for each task.
    assert len(read_groups(glue, "selections", groups_of(GLUE))) == 8
    assert len(read_judged(glue, "verdicts.csv")) == 8

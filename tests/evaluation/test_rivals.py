"""Rivals: paired with the full model and the super ticket by seeds and examples."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from drawing import MARGINS, points
from made_up_runs import FIRST, GRID, MAIN, verdicts, write_latency, write_run
from matplotlib.axes import Axes
from statsmodels.stats.multitest import multipletests

from supertickets.errors import UserError
from supertickets.evaluation.gain import HONEST
from supertickets.evaluation.results import read_groups
from supertickets.evaluation.rivals import compare_rivals, read_rivals
from supertickets.evaluation.significance import NAMES
from supertickets.experiment.grid import groups_of
from supertickets.experiment.paths import folder_of
from supertickets.report.figures.rivals import draw_points, draw_rivals
from supertickets.report.figures.speed import draw_speed
from supertickets.report.tables.rivals import write_rivals

pytestmark = pytest.mark.usefixtures("closed")

#: Rivals that are copies of the model's own runs, and one that is not, by the ratio of the runs.
COPIES = {"whole": ("full", 0.0), "cut": ("winning", 0.3)}
RIVALS = {"minilm": [*COPIES, "small"]}
PARAMETERS = {"whole": 22_000_000, "cut": 11_000_000, "small": 5_500_000}


def run_of(model: str, task: str, seed: int, kind: str = "full", ratio: float = 0.0) -> dict[str, Any]:
    trial = {"model": model, "task": task, "train_size": 64, "seed": seed}
    return trial | {"kind": kind, "ratio": ratio, "draw": 1}


def group_of(task: str) -> dict[str, Any]:
    return {"model": "minilm", "task": task, "train_size": 64, "kind": "winning"}


def write_rival_runs(folder: Path, results: Path) -> None:
    """The runs of the rivals beside those of the model, which are linked."""
    (folder / "runs").mkdir()
    for name in ("runs/minilm", "comparisons", "selections"):
        (folder / name).symlink_to(results / name)
    random = np.random.default_rng(1)
    for rival, parameters in PARAMETERS.items():
        for task in GRID["tasks"]:
            for seed in GRID["seeds"]:
                write_run(folder, run_of(rival, task, seed), random)
                where = folder / folder_of(run_of(rival, task, seed))
                record = json.loads((where / "record.json").read_text())
                (where / "record.json").write_text(json.dumps(record | {"parameters": parameters}))
                if rival in COPIES:
                    origin = folder / folder_of(run_of("minilm", task, seed, *COPIES[rival]))
                    shutil.copy(origin / "predictions.parquet", where)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, results: Path) -> Path:
    folder = tmp_path_factory.mktemp("rivals")
    write_rival_runs(folder, results)
    for task in GRID["tasks"]:
        table = folder / f"rivals/minilm/{task}.csv"
        compare_rivals(folder, MAIN, group_of(task), RIVALS["minilm"], FIRST[task], table)
    return folder


def test_a_rival_that_predicts_what_a_ticket_does_is_that_ticket(compared: Path) -> None:
    table = read_rivals(compared, MAIN).query("rival == 'cut' and way == 'rival'").set_index("task")
    tickets = read_groups(compared, "comparisons", groups_of(MAIN)).query("ratio == 0.3 and reported")
    tickets = tickets.set_index("task")
    columns = ["split", "metric", "seeds", "examples", *NAMES]
    pd.testing.assert_frame_equal(table[columns], tickets[columns])
    assert set(table["weight"]) == {0.5} and set(table["parameters"]) == {11_000_000}


def test_the_super_ticket_against_the_full_model_as_a_rival_is_its_honest_gain(compared: Path) -> None:
    table = read_rivals(compared, MAIN).query("rival == 'whole'").set_index(["task", "way"])
    for task, chosen in verdicts(compared_verdicts(compared)).iterrows():
        row = table.loc[task, "super"]
        for name in NAMES:
            assert row[name] == pytest.approx(chosen[f"{name}_{HONEST}"], nan_ok=True, abs=1e-12), (task, name)
        assert (row["ratio"], row["weight_remaining"]) == (chosen["ratio"], chosen["weight_remaining"])
        alike = table.loc[task, "rival"]
        assert alike["difference"] == 0 and alike["p"] == 1 and alike["weight"] == 1


def compared_verdicts(compared: Path) -> Path:
    """The folder of the results whose runs are linked."""
    return (compared / "selections").resolve().parent


def test_rivals_and_tasks_are_corrected_together_and_each_comparison_apart(compared: Path, tmp_path: Path) -> None:
    table = read_rivals(compared, MAIN)
    for _, rows in table.groupby("way"):
        assert len(rows) == 9
        np.testing.assert_allclose(rows["p_holm"], multipletests(rows["p"], method="holm")[1])
        np.testing.assert_allclose(rows["p_chance_holm"], multipletests(rows["p_chance"], method="holm")[1])
    own = pd.read_csv(compared / "rivals/minilm/movie.csv")
    assert [*zip(own["way"], own["baseline"], strict=True)] == [("rival", "full"), ("super", "rival")] * 3


def test_documents_are_resampled_whole(compared: Path, tmp_path: Path) -> None:
    shutil.copytree(compared / "runs", tmp_path / "runs")
    for path in tmp_path.glob("runs/*/movie/n64/*/*/predictions.parquet"):
        table = pd.read_parquet(path)
        table.assign(id=[f"d{row // 10}_{row}" for row in range(len(table))]).to_parquet(path)
    grid = MAIN | {"separators": {"movie": "_"}}
    compare_rivals(tmp_path, grid, group_of("movie"), ["small"], "accuracy", tmp_path / "table.csv")
    table, plain = pd.read_csv(tmp_path / "table.csv"), pd.read_csv(compared / "rivals/minilm/movie.csv")
    assert set(table["documents"]) == {20} and "documents" not in plain
    plain = plain.query("rival == 'small'")
    np.testing.assert_allclose(table["difference"], plain["difference"])
    assert not np.isclose(table["error"], plain["error"]).any()


def test_what_cannot_be_compared_is_refused(compared: Path, tmp_path: Path) -> None:
    shutil.copytree(compared / "runs", tmp_path / "runs")
    where = tmp_path / folder_of(run_of("small", "movie", 2))

    def compare() -> None:
        compare_rivals(tmp_path, MAIN, group_of("movie"), ["small"], "accuracy", tmp_path / "table.csv")

    predictions = pd.read_parquet(where / "predictions.parquet")
    predictions.assign(label=1 - predictions["label"]).to_parquet(where / "predictions.parquet")
    with pytest.raises(UserError, match=r"small/movie/n64/seed2/full/predictions.parquet: other examples"):
        compare()
    assert not (tmp_path / "table.csv").exists()


def test_the_table_has_a_line_for_each_rival(compared: Path, tmp_path: Path) -> None:
    files = {suffix: tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")}
    write_rivals(compared, MAIN, RIVALS, **files)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in files["md"].read_text().splitlines()]
    (cells,) = [cells for cells in rows if cells[1:4:2] == ["movie", "small"]]
    table = read_rivals(compared, MAIN).query("task == 'movie' and rival == 'small'").set_index("way")
    rival, ticket = table.loc["rival"], table.loc["super"]
    assert cells[4:8] == ["25.0%", "50.0", f"{rival['ticket']:.1f}", f"{rival['difference']:+.1f}"]
    assert cells[10:12] == [f"{ticket['weight_remaining']:.1%}", f"{ticket['difference']:+.1f}"]
    assert len(pd.read_csv(files["csv"])) == 2 * 9 and "p_holm" in files["csv"].read_text()
    assert "Not shown to beat" not in files["md"].read_text()
    assert "nan" not in files["md"].read_text() and "test split (movie, rating)" in files["md"].read_text()


def test_rivals_of_two_seeds_have_no_t_intervals_and_undefined_ones_are_named(compared: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(compared / "runs")
    grid, rivals = MAIN | {"tasks": ["rating"], "seeds": [1, 2]}, {"minilm": ["cut", "small"]}
    path = tmp_path / "rivals/minilm/rating.csv"
    compare_rivals(tmp_path, grid, group_of("rating"), rivals["minilm"], "pearson", path)
    table = pd.read_csv(path)
    table.loc[table["rival"] == "small", "difference"] = np.nan
    table.to_csv(path, index=False)
    write_rivals(tmp_path, grid, rivals, *(tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")))
    text = (tmp_path / "t.md").read_text()
    assert "Intervals of two seeds" in text and not re.search(r"\d to [+-]?\d", text)
    assert "for all examples (small on rating)." in text and pd.read_csv(tmp_path / "t.csv")["low"].notna().any()


def test_a_rival_that_has_learned_nothing_is_named(compared: Path, tmp_path: Path) -> None:
    for name in ("runs", "rivals"):
        shutil.copytree(compared / name, tmp_path / name)
    for seed in GRID["seeds"]:
        path = tmp_path / folder_of(run_of("small", "movie", seed)) / "predictions.parquet"
        table = pd.read_parquet(path)
        table.assign(logits=[[1.0, 0.0]] * len(table)).to_parquet(path)
    grid, table = MAIN | {"tasks": ["movie"]}, tmp_path / "rivals/minilm/movie.csv"
    compare_rivals(tmp_path, grid, group_of("movie"), RIVALS["minilm"], "accuracy", table)
    chance = read_rivals(tmp_path, grid).set_index("rival")
    assert (chance["chance"] == 50).all() and chance.loc["whole", "p_chance"].max() < 0.05
    write_rivals(tmp_path, grid, RIVALS, *(tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")))
    told = "Not shown to beat one answer to all examples, so trained too little or too fast: small on movie."
    assert told in (tmp_path / "t.md").read_text()


def test_the_figure_names_the_rivals_at_their_weights(compared: Path, drawn: list[plt.Figure]) -> None:
    draw_rivals(compared, MAIN, MARGINS, RIVALS, compared / "unused.pdf", compared / "unused.png")
    table = read_rivals(compared, MAIN).query("way == 'rival'")
    axes: list[Axes] = drawn[-1].axes[:3]
    for axis, (_, rows) in zip(axes, table.groupby("task", sort=False), strict=True):
        for _, row in rows.iterrows():
            (place,), (value,) = points(axis, row["rival"])
            assert (place, value) == (row["weight"], row["difference"])
        left, right = axis.get_xlim()
        assert left > 1 and right < 0.25
    (legend,) = drawn[-1].legends
    assert [text.get_text() for text in legend.texts][-3:] == ["whole", "cut", "small"]
    axis.clear()
    draw_points(axis, rows.assign(weight=[0.8, 0.8, 1.2]), 0.7)
    places = [points(axis, rival)[0][0] for rival in ("small", "whole", "cut")]
    assert places == pytest.approx([1.2, 0.8, 0.8 - 0.03 * 0.5]) and axis.get_xlim()[0] > 1.2
    note = " ".join(drawn[-1].get_supxlabel().split())
    assert "rivals, full models of other encoders" in note and "3 seeds" in note


def test_the_figure_of_speed_has_the_rivals_beside_the_curves(
    compared: Path, tmp_path: Path, drawn: list[plt.Figure]
) -> None:
    for folder in ("comparisons", "selections", "rivals"):
        (tmp_path / folder).symlink_to(compared / folder)
    shares = {"whole": 1.0, "cut": 0.5, "small": 0.25}
    write_latency(tmp_path, GRID, rivals=shares)
    draw_speed(tmp_path, MAIN, MARGINS, RIVALS, tmp_path / "unused.pdf", tmp_path / "unused.png")
    table = read_rivals(compared, MAIN).query("way == 'rival'")
    for axis, (_, rows) in zip(drawn[-1].axes[:3], table.groupby("task", sort=False), strict=True):
        assert len(points(axis, "batches of 32")[0]) == len(GRID["ratios"])
        for _, row in rows.iterrows():
            (place,), (value,) = points(axis, row["rival"])
            assert (place, value) == (1 / shares[row["rival"]], row["difference"])
            bars = next(each for each in axis.containers if each.get_label() == row["rival"]).lines[2]
            across, along = (segments for each in bars for segments in each.get_segments())
            np.testing.assert_allclose(across[:, 0], place * np.array([0.9, 1.1]))
            np.testing.assert_allclose(along[:, 1], row[["low", "high"]].astype(float).fillna(row["difference"]))
    assert "rivals, full models of other encoders, minus the model's, by batches of 32." in " ".join(
        drawn[-1].get_supxlabel().split()
    )

"""Figures and tables of one seed, and of scores that are undefined."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from drawing import FIGURES, draw
from made_up_runs import GRID, MAIN, judge_all
from matplotlib.collections import PathCollection

from supertickets.evaluation.phases import read_phases
from supertickets.experiment.grid import runs_of, scoped
from supertickets.experiment.paths import run_folder, ticket_file
from supertickets.report.tables.contrasts import write_contrasts
from supertickets.report.tables.power import write_power
from supertickets.report.tables.seed_sensitivity import write_seed_sensitivity
from supertickets.report.tables.single_task_dev import write_single_task_dev
from supertickets.report.tables.super_tickets import write_super_tickets
from supertickets.report.tables.sweep import write_sweep

pytestmark = pytest.mark.usefixtures("closed")


def test_one_seed_and_one_ratio_have_tables_and_figures_without_intervals(results: Path, tmp_path: Path) -> None:
    grid = GRID | {"seeds": [2], "ratios": [0.3], "train_sizes": [64], "kinds": ["winning"], "draws": {"winning": 1}}
    (tmp_path / "runs").symlink_to(results / "runs")
    judge_all(tmp_path, grid)
    spread = partial(write_seed_sensitivity, others={})
    for function in (write_super_tickets, write_single_task_dev, spread, write_sweep):
        function(tmp_path, grid, csv=tmp_path / "t.csv", md=tmp_path / "t.md", tex=tmp_path / "t.tex")
        text = (tmp_path / "t.md").read_text()
        assert "seeds: 2." in text and "nan" not in text and not re.search(r"\d to [+-]?\d", text)
    # Nothing is tested, and phases are those of the scores.
    assert read_phases(tmp_path, grid, dict.fromkeys(grid["tasks"], 1.0))["first_ends"].notna().all()
    for name in ("phase_transition", "gain_curve", "single_task_gain", "ticket_masks"):
        FIGURES[name][0](tmp_path, grid, pdf=tmp_path / "f.pdf", png=tmp_path / "f.png")
    table = pd.read_csv(tmp_path / "verdicts.csv")
    assert set(table["verdict"]) == {"no verdict from one seed"} and set(table["ratio"]) == {0.3}


def test_two_seeds_have_no_t_intervals_but_dots(results: Path, tmp_path: Path, drawn: list[plt.Figure]) -> None:
    grid = GRID | {"seeds": [1, 2], "train_sizes": [64], "tasks": ["movie", "rating"]}
    (tmp_path / "runs").symlink_to(results / "runs")
    judge_all(tmp_path, grid)
    for function in (write_single_task_dev, write_sweep, write_contrasts):
        function(tmp_path, grid, csv=tmp_path / "t.csv", md=tmp_path / "t.md", tex=tmp_path / "t.tex")
        text = (tmp_path / "t.md").read_text()
        assert "Intervals of two seeds" in text and not re.search(r"\d to [+-]?\d", text)
        assert pd.read_csv(tmp_path / "t.csv")["low"].notna().any()
    kinds, sizes = 3 * 3, 4  # curves of three ratios; one curve of these and the full model, a hollow point
    for name, scope, count in (("ticket_kinds", "kinds", kinds), ("data_size", "sizes", sizes)):
        axes, text = draw(name, tmp_path, drawn, scoped(grid, scope))
        assert "Dots: single seeds." in text
        for axis in axes:
            dots = [dots for dots in axis.collections if isinstance(dots, PathCollection)]
            assert sum(len(of_curve.get_offsets()) for of_curve in dots) == 2 * count


def collapsed(
    results: Path, folder: Path, grid: dict[str, Any], collapse: Callable[[dict[str, Any], str], bool]
) -> None:
    """The runs of a grid, of which some predict the same for all examples of a split, judged anew."""
    for run in runs_of(grid):
        where = folder / run_folder(run)
        shutil.copytree(results / run_folder(run), where)
        table = pd.read_parquet(where / "predictions.parquet")
        constant = [collapse(run, split) for split in table["split"]]
        table["logits"] = [[1.0] if flat else row for flat, row in zip(constant, table["logits"], strict=True)]
        table.to_parquet(where / "predictions.parquet")
        if run["kind"] != "full":
            (folder / ticket_file(run)).parent.mkdir(exist_ok=True)
            shutil.copy(results / ticket_file(run), folder / ticket_file(run))
    shutil.copytree(results / "latency", folder / "latency")  # which no prediction changes
    judge_all(folder, grid)


NO_SCORE = "Empty: undefined, as predictions or labels are the same for all examples"


def test_a_run_that_collapsed_is_counted_and_leaves_its_ratio_empty(
    results: Path, tmp_path: Path, drawn: list[plt.Figure]
) -> None:
    grid = MAIN | {"tasks": ["rating"]}
    collapsed(results, tmp_path, grid, lambda run, split: (run["seed"], run["ratio"]) == (2, 0.1))
    spread = partial(write_seed_sensitivity, others={})
    counted = "(1 of 12 test scores of rating, 1 of 12 validation scores of rating)"
    for function in (write_sweep, spread):
        function(tmp_path, grid, csv=tmp_path / "t.csv", md=tmp_path / "t.md", tex=tmp_path / "t.tex")
        assert f"{NO_SCORE} {counted}." in (tmp_path / "t.md").read_text()
        if function is write_sweep:
            table = pd.read_csv(tmp_path / "t.csv").query("metric == 'pearson'").set_index(["ratio", "split"])
            empty = table[["mean", "std", "min", "max", "difference"]].isna()
            assert empty.loc[0.1].all(axis=None) and not empty.drop(0.1)[["mean", "std"]].any(axis=None)
    for name in ("phase_transition", "ticket_masks"):
        _, text = draw(name, tmp_path, drawn, grid)
        assert ("one of 1 undefined scores of rating" in text) == (name == "phase_transition")
        assert "No super ticket" not in text
    assert "Not drawn: 1 of 3 gains of rating, as" in draw("gain_curve", tmp_path, drawn, grid)[1]


@pytest.mark.parametrize("splits", [["validation"], ["test"], ["validation", "test"]], ids=",".join)
def test_all_figures_and_tables_are_made_of_scores_that_are_all_undefined(
    results: Path, tmp_path: Path, drawn: list[plt.Figure], splits: list[str]
) -> None:
    grid = MAIN | {"tasks": ["rating"]}
    collapsed(results, tmp_path, grid, lambda run, split: split in splits)
    for name in FIGURES:
        _, text = draw(name, tmp_path, drawn, grid)
        assert "test" not in splits or "Phase I" not in text  # none is drawn
        without = "No super ticket, as validation scores of every ratio are undefined: rating."
        assert (without in text) == (name == "ticket_masks" and "validation" in splits)
    tables = {
        "power": partial(write_power, margins={"rating": 1.0}),
        "seed_sensitivity": partial(write_seed_sensitivity, others={}),
        **{"single_task_dev": write_single_task_dev, "sweep": write_sweep, "super_tickets": write_super_tickets},
    }
    for name, function in tables.items():
        function(tmp_path, grid, csv=tmp_path / "t.csv", md=tmp_path / "t.md", tex=tmp_path / "t.tex")
        text = (tmp_path / "t.md").read_text()
        assert "nan" not in text
        if name == "super_tickets":
            assert "undefined: some runs predict the same for all examples" in text
        if name in ("seed_sensitivity", "sweep"):
            assert NO_SCORE in text and "rating)" in text
        elif name != "power" or "test" in splits:
            assert f"{NO_SCORE} (1 row of rating)." in text

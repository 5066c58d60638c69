"""Tables say what the scores say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up_runs import GRID, KINDS, MAIN, METRICS, PRUNING, SIZES, score_of, verdicts
from scipy import stats

from supertickets.evaluation.phases import read_phases
from supertickets.evaluation.significance import NAMES
from supertickets.experiment.grid import runs_of
from supertickets.experiment.paths import run_folder
from supertickets.report.tables.contrasts import write_contrasts
from supertickets.report.tables.formats import WRITTEN, Files, P, detectable, write_formats
from supertickets.report.tables.hyperparameters import write_hyperparameters
from supertickets.report.tables.phases import write_phases
from supertickets.report.tables.power import write_power
from supertickets.report.tables.seed_sensitivity import write_seed_sensitivity
from supertickets.report.tables.single_task_dev import write_single_task_dev
from supertickets.report.tables.super_tickets import write_super_tickets
from supertickets.report.tables.sweep import write_sweep
from supertickets.report.tables.tasks import write_tasks


def table_of(function: Callable[..., None], results: Path, folder: Path, grid: dict, **more: Any) -> tuple[str, str]:
    """Write a table; return its Markdown and LaTeX. The CSV file is ``t.csv`` in the folder."""
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


def test_the_table_of_what_experiments_can_show(results: Path, tmp_path: Path) -> None:
    md, _ = table_of(write_power, results, tmp_path, SIZES, margins=dict.fromkeys(GRID["tasks"], 1.0))
    table = pd.read_csv(tmp_path / "t.csv", dtype={"train_size": str}).query("train_size == '64'").set_index("task")
    chosen = verdicts(results)
    np.testing.assert_allclose(table["detectable_3"], chosen["detectable"])
    np.testing.assert_allclose(table["seeds_needed"], chosen["seeds_needed"])
    assert (table["detectable_40"] < table["detectable_3"]).all() and (table["seeds_needed"] > 3).all()
    assert "80% of experiments" in md and "Seeds for it" in md and "Not shown to beat" not in md
    shutil.copytree(results / "comparisons", tmp_path / "comparisons")
    shutil.copytree(results / "contrasts", tmp_path / "contrasts")
    barely = ["movie", "rating"]  # each alone would beat chance; of three tests, the two largest p are doubled
    for task in barely:
        path = tmp_path / f"comparisons/minilm/{task}/n64/winning.csv"
        pd.read_csv(path).assign(p_chance=0.03).to_csv(path, index=False)
    margins = dict.fromkeys(GRID["tasks"], 1.0)
    md, _ = table_of(write_power, tmp_path, tmp_path, SIZES, margins=margins)
    told = "Not shown to beat one answer to all examples, so trained too little or too fast: "
    assert told + "minilm on movie, minilm on rating." in md
    phases = read_phases(tmp_path, KINDS, margins).set_index("task")["first_ends"]
    assert phases.index[phases.isna()].tolist() == barely
    md, _ = table_of(write_phases, tmp_path, tmp_path, KINDS, margins=margins)
    assert told + "minilm on movie, minilm on rating. They have no phases;" in md and "Empty" not in md
    path = tmp_path / "comparisons/minilm/movie/n64/winning.csv"
    pd.read_csv(path).assign(p_chance=np.nan).to_csv(path, index=False)  # as of one document
    phases = read_phases(tmp_path, KINDS, margins).set_index("task")["first_ends"]
    assert phases.index[phases.isna()].tolist() == ["movie"]


def test_the_table_of_phases_names_boundaries_and_the_ratios_that_beat_other_kinds(
    results: Path, tmp_path: Path
) -> None:
    md, _ = table_of(write_phases, results, tmp_path, KINDS, margins=dict.fromkeys(GRID["tasks"], 1.0))
    table = pd.read_csv(tmp_path / "t.csv", dtype={"train_size": str}).set_index("task")
    assert table["first_ends"].isin([0.0, *GRID["ratios"]]).all()
    assert (table["first_ends_low"] <= table["first_ends_high"]).all()
    assert table["third_begins"].isin([0.1, 0.3, 0.5, np.inf]).all()
    assert set(table["beats_random"]) == {"none"}  # kinds were made up alike
    assert "Phase III from" in md and "Beats losing at" in md and "nan" not in md and "inf" not in md
    assert "Empty" not in md and "Not shown to beat" not in md
    (tmp_path / "comparisons").symlink_to(results / "comparisons")
    shutil.copytree(results / "contrasts", tmp_path / "contrasts")
    path = tmp_path / "contrasts/minilm/rating/n64/random.csv"
    pd.read_csv(path).assign(**dict.fromkeys(NAMES[2:], np.nan)).to_csv(path, index=False)
    md, _ = table_of(write_phases, tmp_path, tmp_path, KINDS, margins=dict.fromkeys(GRID["tasks"], 1.0))
    assert "the same for all examples (3 of the differences of minilm on rating)." in md
    assert "Not shown to beat" not in md
    alone = KINDS | {"kinds": ["winning", "losing"], "seeds": [1, 2, 3]}
    md, _ = table_of(write_phases, results, tmp_path, alone, margins=dict.fromkeys(GRID["tasks"], 1.0))
    assert pd.read_csv(tmp_path / "t.csv")["third_begins"].isna().all() and "nan" not in md
    table_of(write_phases, results, tmp_path, KINDS | {"kinds": ["winning"]}, margins=dict.fromkeys(GRID["tasks"], 1.0))
    assert pd.read_csv(tmp_path / "t.csv")["first_ends"].tolist() == table["first_ends"].tolist()


def test_the_table_of_contrasts(results: Path, tmp_path: Path) -> None:
    md, _ = table_of(write_contrasts, results, tmp_path, KINDS)
    table = pd.read_csv(tmp_path / "t.csv").query("task == 'movie' and kind == 'random' and ratio == 0.3")
    for split in ("validation", "test"):
        row = table[table["split"] == split].iloc[0]
        winning = [score_of(results, "accuracy", split, task="movie", seed=seed, ratio=0.3) for seed in (1, 2, 3)]
        random = [
            np.mean([
                score_of(results, "accuracy", split, task="movie", seed=seed, ratio=0.3, kind="random", draw=draw)
                for draw in (1, 2)
            ])
            for seed in (1, 2, 3)
        ]  # fmt: skip
        assert row["winning"] == pytest.approx(np.mean(winning)) and row["other"] == pytest.approx(np.mean(random))
        assert row["difference"] == pytest.approx(np.mean(winning) - np.mean(random))
        assert row["seeds_error"] == pytest.approx(stats.sem(np.subtract(winning, random)))
        assert row["low"] < row["difference"] < row["high"] and row["p"] <= row["p_holm"] <= 1
        assert row["chance"] == 50
    for words in (" Chance |", "Against", "losing", "validation split (dev_only)"):
        assert words in md
    assert "Empty" not in md
    shutil.copytree(results / "contrasts", tmp_path / "contrasts")
    (tmp_path / "comparisons").symlink_to(results / "comparisons")
    path = tmp_path / "contrasts/minilm/rating/n64/losing.csv"
    undefined = pd.read_csv(path)
    undefined.loc[undefined["ratio"] == 0.1, ["other", "winning", *NAMES[2:]]] = np.nan
    undefined.to_csv(path, index=False)
    md, _ = table_of(write_contrasts, tmp_path, tmp_path, KINDS)
    assert "Empty: undefined, as predictions or labels are the same for all examples (1 row of rating)." in md


def test_the_table_of_the_single_task_part(results: Path, tmp_path: Path) -> None:
    md, _ = table_of(write_single_task_dev, results, tmp_path, SIZES)
    table = pd.read_csv(tmp_path / "t.csv", dtype={"train_size": str}).query("train_size == '64'").set_index("task")
    chosen = verdicts(results)
    for way in ("other_seeds", "same_split", "other_half", "other_split"):
        np.testing.assert_allclose(table[f"difference_{way}"].drop("average"), chosen[f"difference_{way}"])
    assert table.loc["average", "difference_other_half"] == pytest.approx(chosen["difference_other_half"].mean())
    assert np.isnan(table.loc["dev_only", "difference_other_split"])
    honest = chosen["difference_other_seeds"]
    average = table.loc["average"]
    assert average["difference"] == pytest.approx(np.mean(honest)) and np.isnan(average["difference_other_split"])
    assert average["low"] < average["difference"] < average["high"]
    for head in ("Gain, same split", "Gain, other half", "Gain, test"):
        assert head in md
    row = chosen.loc["movie"]
    interval = f"{row['difference_other_seeds']:+.1f} ({row['low_other_seeds']:+.1f} to {row['high_other_seeds']:+.1f})"
    assert interval in md and f"{row['full_other_seeds']:.1f}" in md


def test_the_table_of_spreads_over_seeds(results: Path, tmp_path: Path) -> None:
    md, _ = table_of(write_seed_sensitivity, results, tmp_path, SIZES, others={})
    assert "these very runs chose on validation, which flatters its mean on every split" in md
    table = pd.read_csv(tmp_path / "t.csv", dtype={"train_size": str}).query("train_size == '64'").set_index("task")
    scores = [score_of(results, "pearson", "test", task="rating", seed=s, kind="full", ratio=0.0) for s in (1, 2, 3)]
    spread = table.loc["rating", ["full_mean", "full_std", "full_min", "full_max"]].tolist()
    assert spread == pytest.approx([np.mean(scores), np.std(scores, ddof=1), min(scores), max(scores)])
    assert table["chance"].to_dict() == pytest.approx(verdicts(results)["chance"].to_dict())


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
    kinds["taught"] = kinds["winning"] | {"teacher": {"temperature": 2.0, "weight": 0.25}}
    kinds["stepwise"] = kinds["winning"] | {"steps": 3, "units": "heads", "importance": "taylor"}
    md, _ = table_of(write_hyperparameters, results, tmp_path, SIZES, pruning=kinds, max_length=64)
    table = pd.read_csv(tmp_path / "t.csv")
    assert len(table) == 3 * 2 and set(table["learning_rate"]) == {1e-4} and set(table["steps"]) == {24}
    assert "cut to 64 tokens" in md
    assert "winning by sensitivity of the fine-tuned weights, heads and FFNs, at once" in md
    assert "FFN counts by share, taught by the full model (weight 0.25, temperature 2); stepwise" in md
    assert "stepwise by taylor of the fine-tuned weights, heads alone, 3 steps" in md and "random by" not in md


def test_settings_that_are_unusual_have_columns_of_their_own(results: Path, tmp_path: Path) -> None:
    grid = SIZES | {"train_sizes": [64]}
    copy = tmp_path / "results"
    for run in runs_of(grid):
        (copy / run_folder(run)).mkdir(parents=True)
        record = json.loads((results / run_folder(run) / "record.json").read_text())
        if run["task"] == "movie":
            record["settings"] |= {"eps": 1e-6, "batches": "consecutive", "model_epoch": 4, "order_seed": 1}
        (copy / run_folder(run) / "record.json").write_text(json.dumps(record))
    csv, md, tex = (tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex"))
    write_hyperparameters(copy, grid, {}, 64, csv, md, tex)
    table = pd.read_csv(csv).set_index("task")
    assert table.loc["movie", ["eps", "batches", "model_epoch"]].tolist() == [1e-6, "consecutive", "4"]
    assert table.loc["rating", ["eps", "batches", "model_epoch"]].tolist() == [1e-8, "shuffled", "last"]
    assert "scored after the epoch that the table names" in md.read_text() and "Eps" in md.read_text()


def test_settings_are_those_of_tickets_where_the_full_model_is_given(results: Path, tmp_path: Path) -> None:
    grid = SIZES | {"tasks": ["movie"], "train_sizes": [64], "finetuned": ["minilm"]}
    copy = tmp_path / "results"
    for run in runs_of(grid):
        (copy / run_folder(run)).mkdir(parents=True)
        record = json.loads((results / run_folder(run) / "record.json").read_text())
        if run["kind"] == "full":
            record |= {"steps": 0, "parameters": 7, "settings": record["settings"] | {"epochs": 0}}
        (copy / run_folder(run) / "record.json").write_text(json.dumps(record))
    csv, md, tex = (tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex"))
    write_hyperparameters(copy, grid, {}, 64, csv, md, tex)
    row = pd.read_csv(tmp_path / "t.csv").iloc[0]
    assert (row["epochs"], row["steps"], row["parameters"]) == (3, 24, 7)
    assert "The full model of minilm is given, not trained: it has no spread over seeds." in md.read_text()


def test_no_p_is_zero_and_latex_shows_it(tmp_path: Path) -> None:
    files = Files(*(tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")))
    write_formats(pd.DataFrame({"p": [0.0004, 0.5, np.nan]}), {"p": ("p", P)}, "A note.", files)
    assert "<0.001" in files.md.read_text() and "0.500" in files.md.read_text()
    assert '<td class="number">&lt;0.001</td>' in files.html.read_text() and "A note." in files.html.read_text()
    assert "\\textless{}0.001" in files.tex.read_text() and "<" not in files.tex.read_text()


def test_no_detectable_difference_is_more_than_scores_can_differ_by(tmp_path: Path) -> None:
    table = pd.DataFrame({"metric": ["accuracy", "accuracy", "pearson", "pearson"], "x": [99.9, 180.0, 180.0, 900.0]})
    shown = table.assign(x=detectable(table, "x"))
    assert shown["x"].tolist() == ["99.9", "> 100", "180.0", "> 200"]
    files = Files(*(tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")))
    write_formats(table, {"x": ("Detectable", WRITTEN)}, "A note.", files, shown)
    assert "\\textgreater{} 100" in files.tex.read_text() and ">" not in files.tex.read_text()
    assert "> 100 |\n" in files.md.read_text() and "180.0" in files.csv.read_text()

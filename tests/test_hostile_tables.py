"""Records, predictions and tables that are damaged: no stage that judges runs takes them for what they are not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_up_runs import GRID, write_runs

from supertickets.comparisons import compare_group
from supertickets.decomposition import decompose_group
from supertickets.errors import UserError
from supertickets.grid import groups_of
from supertickets.layout import run_folder
from supertickets.result_tables import read_verdicts, write_seed_sensitivity
from supertickets.scores import score_group
from supertickets.selection import select_ticket
from supertickets.setting_tables import write_hyperparameters, write_tasks
from supertickets.tables import DIFFERENCE, TABLES, WORDS, Content, read_groups, read_table, write_csv
from supertickets.ways import Ways, compare_ways, score_ways

MOVIE = {"model": "minilm", "task": "movie", "train_size": 64, "kind": "winning"}


def copied(results: Path, folder: Path) -> Path:
    """The made-up runs of one task, to do things to."""
    shutil.copytree(results / "runs/minilm/movie/n64", folder / "runs/minilm/movie/n64")
    return folder


@pytest.mark.parametrize("seeds", [[1], [1, 2, 3]])
@pytest.mark.parametrize(("kind", "ratio"), [("full", 0.0), ("winning", 0.3)])
def test_a_run_that_has_not_predicted_a_split(
    results: Path, tmp_path: Path, seeds: list[int], kind: str, ratio: float
) -> None:
    run = {**MOVIE, "seed": 1, "kind": kind, "ratio": ratio, "draw": 1}
    path = copied(results, tmp_path) / run_folder(run) / "predictions.parquet"
    pd.read_parquet(path).query("split != 'test'").to_parquet(path)
    for judge_group in (score_group, compare_group, select_ticket, decompose_group):
        if judge_group is decompose_group and len(seeds) == 1:
            continue
        more = () if judge_group is decompose_group else ("accuracy",)
        with pytest.raises(UserError, match=rf"seed1/{kind}.*predictions.parquet: no test examples, unlike .* delete"):
            judge_group(tmp_path, GRID | {"seeds": seeds}, MOVIE, *more, tmp_path / "table")
    assert not (tmp_path / "table").exists()
    runs = {way: [run | {"kind": way, "ratio": r}] for way, r in (("full", 0.0), ("winning", 0.3))}
    for baseline in runs:
        with pytest.raises(UserError, match=rf"seed1/{kind}.*predictions.parquet: no test examples"):
            compare_ways(tmp_path, [Ways(MOVIE, ["accuracy"], runs)], [baseline], average=False)


def test_tickets_of_one_ratio_on_other_examples(results: Path, tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        run = {**MOVIE, "seed": seed, "ratio": 0.3, "draw": 1}
        path = copied(results, tmp_path / "copy") if seed == 1 else tmp_path / "copy"
        path = path / run_folder(run) / "predictions.parquet"
        table = pd.read_parquet(path)
        table.assign(label=1 - table["label"]).to_parquet(path)
    with pytest.raises(UserError, match=r"seed1/winning-0.30/predictions.parquet: other test examples than"):
        compare_group(tmp_path / "copy", GRID, MOVIE, "accuracy", tmp_path / "table.csv")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads_pruned": None}, "does not say what its ticket keeps"),
        ({"ffn_pruned": -1}, "does not say what its ticket keeps"),
        ({"weight_remaining": 10**400}, "does not say what its ticket keeps"),
        ({"tasks": 5, "heads_pruned": "x"}, "does not say what its ticket keeps"),
        ({"settings": 5}, "its optimizer is None"),
        ({"settings": {"optimizer": "adamw", "learning_rate": "x"}}, "its learning_rate is 'x'"),
        ({"steps": 2.5}, "its steps is 2.5"),
    ],
)
def test_records_that_lack_what_is_read(results: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    grid = GRID | {"tasks": ["movie"], "train_sizes": [64], "kinds": ["winning"]}
    path = copied(results, tmp_path) / run_folder({**MOVIE, "seed": 1, "kind": "full"}) / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    files = [tmp_path / name for name in ("a.csv", "a.md", "a.tex")]
    with pytest.raises(UserError, match=rf"seed1/full/record.json: {message}.*; delete"):
        write_hyperparameters(tmp_path, grid, {}, 16, *files)
    assert not any(path.exists() for path in files)
    if "ticket" in message:
        with pytest.raises(UserError, match=rf"seed1/full/record.json: {message}"):
            decompose_group(tmp_path, grid, MOVIE, tmp_path / "table.csv")


@pytest.mark.parametrize("folder", ["scores", "comparisons", "selections", "decompositions"])
@pytest.mark.parametrize("task", ["movie", "dev_only"])
def test_tables_of_groups_lack_no_column(results: Path, tmp_path: Path, folder: str, task: str) -> None:
    group = MOVIE | {"task": task}
    path = next((results / folder).glob(f"minilm/{task}/n64/winning.*"))
    table = read_groups(results, folder, [group])
    damaged = tmp_path / path.relative_to(results)
    damaged.parent.mkdir(parents=True)

    def write(changed: pd.DataFrame) -> None:
        changed.to_parquet(damaged) if damaged.suffix == ".parquet" else changed.to_csv(damaged, index=False)

    write(table)
    assert read_groups(tmp_path, folder, [group]).equals(table)
    content = TABLES[folder]
    expected = content.texts + content.numbers + content.flags + content.of_test * (task == "movie")
    assert sorted(table.columns) == sorted(expected)
    for name in table:
        mixed = table[name].astype(object)
        mixed.iloc[0] = "" if name in WORDS else "x"
        for changed in (table.drop(columns=name), table.assign(**{name: mixed.replace("", None).astype(object)})):
            if damaged.suffix == ".parquet" and name in changed and name not in WORDS:
                changed[name] = changed[name].astype(str)
            write(changed)
            with pytest.raises(UserError, match=rf"winning\.\w+: not a table as it was written: .*'{name}'; delete"):
                read_groups(tmp_path, folder, [group])


def test_tables_of_one_seed_lack_nothing(tmp_path: Path) -> None:
    grid = GRID | {"tasks": ["movie", "dev_only"], "train_sizes": [64], "kinds": ["winning"], "seeds": [1]}
    write_runs(tmp_path, grid)
    for folder in ("scores", "comparisons", "selections"):
        read_groups(tmp_path, folder, groups_of(grid))
    read_table(tmp_path / "comparisons.csv", content=TABLES["corrected"])
    assert read_verdicts(tmp_path)["peak_low"].isna().all()
    trained = []
    for task in grid["tasks"]:
        run = {**MOVIE, "task": task, "seed": 1, "kind": "full", "ratio": 0.0, "draw": 1}
        runs = {"full": [run], "super": [run | {"kind": "winning", "ratio": 0.3}]}
        trained.append(Ways({**MOVIE, "task": task}, ["accuracy"], runs))
    score_ways(tmp_path, trained).to_parquet(tmp_path / "ways.parquet")
    write_csv(tmp_path / "ways.csv", compare_ways(tmp_path, trained, ["full"], average=True))
    compared = read_table(tmp_path / "ways.csv", content=TABLES["comparisons of ways"])
    assert compared["metric"].isna().any() and set(DIFFERENCE) <= set(compared)
    files = [tmp_path / f"spread.{suffix}" for suffix in ("csv", "md", "tex")]
    write_seed_sensitivity(tmp_path, grid, [str(tmp_path / "ways.parquet")], *files)  # as a command line has them
    assert set(pd.read_csv(files[0])["training"]) == {"alone", "all tasks"}


def test_names_that_look_like_something_else_are_names(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", pd.DataFrame({"task": ["null", "1", "nan"], "p": [0.5, float("nan"), 1.0]}))
    table = read_table(tmp_path / "a.csv", content=Content(("task",), ("p",)))
    assert table["task"].tolist() == ["null", "1", "nan"] and table["p"].isna().tolist() == [False, True, False]


def test_a_task_that_does_not_say_what_is_left_out(results: Path, tmp_path: Path) -> None:
    grid = GRID | {"tasks": ["movie"], "train_sizes": [64], "kinds": ["winning"]}
    shutil.copytree(results / "scores/minilm/movie", tmp_path / "scores/minilm/movie")
    (tmp_path / "tasks").mkdir()
    pd.DataFrame({"split": ["train"], "label": [1.0]}).to_parquet(tmp_path / "tasks/movie.parquet")
    with pytest.raises(UserError, match=r"tasks/movie.parquet: does not say how many rows were left out; delete"):
        write_tasks(tmp_path, grid, {"movie": {"type": "regression"}}, *(tmp_path / n for n in ("a", "b", "c")))

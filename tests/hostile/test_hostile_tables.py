"""Records, predictions and tables that are damaged, or of another group: one error that names the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from made_up_runs import GRID, write_runs

from supertickets.errors import UserError
from supertickets.evaluation import int8, latency
from supertickets.evaluation.best_run import exported_run
from supertickets.evaluation.columns import Content, read_table
from supertickets.evaluation.compare import compare_group
from supertickets.evaluation.predictions import read_record
from supertickets.evaluation.results import TABLES, chosen_ratio, read_groups, read_judged, write_csv
from supertickets.evaluation.rivals import read_rivals
from supertickets.evaluation.significance import NAMES
from supertickets.evaluation.ways import Ways, compare_ways, score_ways
from supertickets.experiment.grid import NO_TICKETS, groups_of
from supertickets.experiment.paths import folder_of, run_folder
from supertickets.report.figures.phase_transition import draw_phase_transition
from supertickets.report.tables.seed_sensitivity import write_seed_sensitivity
from supertickets.report.tables.ways import read_ways

MOVIE = {"model": "minilm", "task": "movie", "train_size": 64, "kind": "winning"}
FULL = {**MOVIE, "seed": 1, "kind": "full", "ratio": 0.0, "draw": 1}
FEW = GRID | {"tasks": ["movie", "dev_only"], "train_sizes": [64], "kinds": ["winning"], "seeds": [1]}
CONTENTS = TABLES | {"latency": latency.CONTENT, "int8": int8.CONTENT}
MACHINE = dict.fromkeys(latency.MACHINE, "x")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up runs of one seed, scored, compared and judged; nothing may be changed in it."""
    folder = tmp_path_factory.mktemp("few")
    write_runs(folder, FEW)
    return folder


def table_of(content: Content, **values: Any) -> pd.DataFrame:
    """A table of one row."""
    row = dict.fromkeys(content.texts, "x") | dict.fromkeys(content.numbers, 0.5) | dict.fromkeys(content.flags, True)
    own = {key: str(value) for key, value in values.items() if key in row}
    return pd.DataFrame([row | dict.fromkeys(content.others, "x") | own])


def write(path: Path, table: pd.DataFrame) -> Path:
    """Write a table as its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", CONTENTS)
def test_tables_lack_no_column(tmp_path: Path, name: str) -> None:
    content, path = CONTENTS[name], tmp_path / ("a.parquet" if name.startswith("scores") else "a.csv")
    table = table_of(content)
    pd.testing.assert_frame_equal(read_table(write(path, table), content), table, check_dtype=False)
    for column in table:
        assert f"{column!r}" in content.lack(table.drop(columns=column))
        if column not in content.others:
            assert f"{column!r}" in content.lack(table.assign(**{column: 0.5 if column in content.texts else "x"}))
    first = content.numbers[0]
    for wrong in (table.drop(columns=first), table.assign(**{first: "x"})):
        with pytest.raises(UserError, match=rf"a\.\w+: not the table that was written: .*'{first}'.*; delete it"):
            read_table(write(path, wrong), content)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe,\x00\n", b'"a', b"ratio\n"])
def test_files_that_are_no_tables(tmp_path: Path, content: bytes) -> None:
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(UserError, match=rf"{name}: not a table .*FileNotFoundError"):
            read_table(tmp_path / name, Content(numbers=("ratio",)))
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=rf"{name}: not (a|the) table .*; delete it"):
            read_table(tmp_path / name, Content(numbers=("ratio",)))


def test_names_that_look_like_something_else_are_names(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", pd.DataFrame({"task": ["null", "1", "nan"], "p": [0.5, float("nan"), 1.0]}))
    table = read_table(tmp_path / "a.csv", Content(("task",), ("p",)), {})
    assert table["task"].tolist() == ["null", "1", "nan"] and table["p"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("right", [b'"pandas_type"', b'"int64"'])
def test_pandas_own_words_in_a_table_do_not_matter(tmp_path: Path, right: bytes) -> None:
    path, content = tmp_path / "a.parquet", pd.DataFrame({"ratio": [1, 2]})
    content.to_parquet(path)
    table = pq.read_table(path)
    words = table.schema.metadata[b"pandas"]
    assert right in words
    damaged = words.replace(right, right[:-2] + b'0"')
    pq.write_table(table.replace_schema_metadata({"pandas": damaged}), path)
    pd.testing.assert_frame_equal(read_table(path, Content(numbers=("ratio",))), content)


READERS: dict[str, Callable[[Path], Any]] = {
    folder: lambda results, folder=folder: read_groups(results, folder, [MOVIE])
    for folder in ("scores", "comparisons", "contrasts", "selections", "decompositions")
}
ALONE = {"models": ["minilm"], "tasks": ["movie"], "train_sizes": [64], "kinds": ["winning"]}
READERS |= {
    "rivals": lambda results: read_rivals(results, ALONE),
    "int8": lambda results: int8.read_int8(results, ALONE),
    "latency": lambda results: latency.read_latency(results, [MOVIE]),
}


@pytest.mark.parametrize("name", READERS)
def test_tables_of_another_group(tmp_path: Path, name: str) -> None:
    suffix = "parquet" if name == "scores" else "csv"
    path = "minilm/movie" if name in ("rivals", "int8", "latency") else "minilm/movie/n64/winning"
    path = write(tmp_path / name / f"{path}.{suffix}", table := table_of(CONTENTS[name], **MOVIE))
    path.with_suffix(".json").write_text(json.dumps(MACHINE))
    READERS[name](tmp_path)
    for key in MOVIE.keys() & {*table}:
        write(path, pd.concat([table, table.assign(**{key: "other"})]))
        with pytest.raises(UserError, match=rf"{path.name}: its {key} is 'other', not {MOVIE[key]}; delete it"):
            READERS[name](tmp_path)
    if "kind" in table:
        write(path, pd.concat([table, table.assign(kind="full")]))
        READERS[name](tmp_path)


@pytest.mark.parametrize("content", [[], *({key: "x" for key in MACHINE if key != lost} for lost in MACHINE)])
def test_a_machine_that_is_not_described(tmp_path: Path, content: Any) -> None:
    path = write(tmp_path / "latency/minilm/movie.csv", table_of(latency.CONTENT, **MOVIE))
    path.with_suffix(".json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"movie.json: not .*; delete it"):
        latency.read_latency(tmp_path, [MOVIE])


def test_ways_of_another_model(tmp_path: Path) -> None:
    for name, other in (("scores", "comparisons"), ("comparisons", "scores")):
        files = {"scores": tmp_path / "minilm/scores.parquet", "comparisons": tmp_path / "minilm/comparisons.csv"}
        write(files[other], table_of(TABLES[f"{other} of ways"], model="minilm"))
        write(files[name], table_of(TABLES[f"{name} of ways"], model="other"))
        with pytest.raises(UserError, match=rf"{files[name].name}: its model is 'other', not minilm; delete it"):
            read_ways(tmp_path / "minilm")


def test_a_selection_of_another_group_or_without_a_ratio(tmp_path: Path) -> None:
    path = tmp_path / "selections/minilm/movie/n64/winning.csv"
    write(path, pd.DataFrame({"model": ["minilm"], "ratio": [0.3]}))
    assert chosen_ratio(tmp_path, MOVIE, 1) == 0.3
    for wrong in ({"model": ["other"], "ratio": [0.3]}, {"model": ["minilm"]}):
        write(path, pd.DataFrame(wrong))
        with pytest.raises(UserError, match=r"winning.csv: .*; delete it"):
            chosen_ratio(tmp_path, MOVIE, 1)


def test_without_a_super_ticket_nothing_follows_from_it(few: Path, tmp_path: Path) -> None:
    for name in ("scores", "comparisons"):
        (tmp_path / name).symlink_to(few / name)
    chosen = read_groups(few, "selections", [MOVIE]).assign(ratio=np.nan)
    write(tmp_path / "selections/minilm/movie/n64/winning.csv", chosen)
    with pytest.raises(UserError, match=r"n64/winning.csv: there is no super ticket: validation scores of every ratio"):
        exported_run(tmp_path, FEW, MOVIE, "accuracy", "super")
    figure = tmp_path / "made.pdf", tmp_path / "made.png"
    draw_phase_transition(tmp_path, FEW | {"tasks": ["movie"]}, {"movie": 1.0}, {"x": "weight"}, *figure)  # no star


def test_tables_of_one_seed_lack_nothing(few: Path, tmp_path: Path) -> None:
    for folder in ("scores", "comparisons", "selections"):
        read_groups(few, folder, groups_of(FEW))
    read_judged(few, "comparisons.csv")
    assert read_judged(few, "verdicts.csv")["peak_low"].isna().all()
    trained = []
    for task in FEW["tasks"]:
        run = {**FULL, "task": task}
        runs = {"full": [run], "super": [run | {"kind": "winning", "ratio": 0.3}]}
        trained.append(Ways({**MOVIE, "task": task}, ["accuracy"], runs))
    new = [Ways({**MOVIE, "train_size": 32}, ["accuracy"], {"pretrained": [run], NO_TICKETS: [run]})]
    for name, ways, baseline in (("ways", trained, "full"), ("new", new, "pretrained")):
        write(tmp_path / name / "scores.parquet", score_ways(few, ways))
        write(tmp_path / name / "comparisons.csv", compare_ways(few, ways, [baseline], average=True))
    compared = read_table(tmp_path / "ways/comparisons.csv", TABLES["comparisons of ways"])
    assert compared["metric"].isna().any() and set(NAMES) <= set(compared)
    files = [tmp_path / f"spread.{suffix}" for suffix in ("csv", "md", "tex")]
    others = {str(tmp_path / name / "scores.parquet"): "test" for name in ("ways", "new")}  # as a command line has them
    write_seed_sensitivity(few, FEW, others, *files)
    table = pd.read_csv(files[0])
    assert set(table["training"]) == {"alone", "all tasks", "new task", "all tasks, then new task"}
    assert (table["chance"] == 50).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.query("split != 'test'"),
        lambda table: table.assign(label=1 - table["label"]),
        lambda table: table.assign(id=table["id"] + "x"),
        lambda table: table.assign(logits=[[0.1, 0.2, 0.3]] * len(table)),
    ],
)
def test_predictions_of_other_examples_than_those_of_other_runs(
    few: Path, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    ticket = FULL | {"kind": "winning", "ratio": 0.3}
    for run in [FULL, *(ticket | {"ratio": ratio} for ratio in FEW["ratios"])]:
        table = pd.read_parquet(few / run_folder(run) / "predictions.parquet")
        write(tmp_path / run_folder(run) / "predictions.parquet", change(table) if run == ticket else table)
    message = r"seed1/winning-0.30/predictions.parquet: other examples than in other runs; delete it"
    with pytest.raises(UserError, match=message):
        compare_group(tmp_path, FEW, MOVIE, "accuracy", tmp_path / "table.csv")
    assert not (tmp_path / "table.csv").exists()
    ways = Ways(MOVIE, ["accuracy"], {"full": [FULL], "super": [ticket]})
    with pytest.raises(UserError, match=message):
        compare_ways(tmp_path, [ways], ["full"], average=False)


READ = {"heads_pruned": 0, "ffn_pruned": 0, "weight_remaining": 1.0, "precision": "fp32"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "not an object of JSON"),
        (json.dumps(READ), "no 'run'"),
        (json.dumps({"run": FULL}), "no 'heads_pruned'"),
        (json.dumps({"run": MOVIE} | READ), "is of run .*, expected"),
        (json.dumps({"run": FULL} | READ)[:-1] + ', "ffn_pruned": 1}', "duplicate key 'ffn_pruned'"),
        (json.dumps({"run": FULL} | READ)[:-1], "line 1: not valid JSON"),
    ],
)
def test_records_that_lack_what_is_read(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / run_folder(FULL) / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"run": FULL} | READ))
    assert read_record(tmp_path, FULL) == {"run": FULL} | READ
    path.write_text(content)
    with pytest.raises(UserError, match=rf"seed1/full/record.json.*{message}.*; delete"):
        read_record(tmp_path, FULL)


def test_records_of_multi_task_trainings_that_lack_what_is_read(tmp_path: Path) -> None:
    run = {"shared": "movie+rating", "model": "minilm", "mode": "full", "seed": 1}
    path = tmp_path / folder_of(run) / "record.json"
    path.parent.mkdir(parents=True)
    cut = {key: value for key, value in READ.items() if key != "precision"}
    whole = {"run": run, "precision": "fp32", "tasks": {"movie": cut}}
    path.write_text(json.dumps(whole))
    assert read_record(tmp_path, run, "movie").items() >= READ.items()
    for content, message in (
        (whole | {"tasks": {"movie": 3}}, "not an object of JSON"),
        ({"run": run, "tasks": {"movie": cut}}, "no 'precision'"),
    ):
        path.write_text(json.dumps(content))
        with pytest.raises(UserError, match=rf"record.json.*{message}.*; delete"):
            read_record(tmp_path, run, "movie")

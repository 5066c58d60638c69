"""Records, predictions and tables that are damaged: no stage that judges runs takes them for what they are not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from made_up_runs import GRID, SIZES, write_runs

from supertickets.encoder.ticket import Ticket
from supertickets.errors import UserError
from supertickets.evaluation.best_run import exported_run
from supertickets.evaluation.columns import WORDS, Content, read_table
from supertickets.evaluation.compare import compare_group
from supertickets.evaluation.decompose import decompose_group
from supertickets.evaluation.judge import judge
from supertickets.evaluation.results import TABLES, read_groups, read_judged, write_csv
from supertickets.evaluation.score import score_group
from supertickets.evaluation.select_ticket import select_ticket
from supertickets.evaluation.significance import NAMES
from supertickets.evaluation.ways import Ways, compare_ways, score_ways
from supertickets.experiment.grid import NO_TICKETS, groups_of
from supertickets.experiment.paths import run_folder
from supertickets.report.figures.phase_transition import draw_phase_transition
from supertickets.report.tables.domain_adaptation import write_domain_adaptation
from supertickets.report.tables.hyperparameters import write_hyperparameters
from supertickets.report.tables.multi_task_dev import write_multi_task_dev
from supertickets.report.tables.seed_sensitivity import write_seed_sensitivity
from supertickets.report.tables.tasks import write_tasks
from supertickets.tickets.importance_table import read_importance, write_importance

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
        ({"settings": {"optimizer": "adamw", "learning_rate": 10**400}}, "its learning_rate is 1000"),
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


@pytest.mark.parametrize("folder", ["scores", "comparisons", "contrasts", "selections", "decompositions"])
@pytest.mark.parametrize("task", ["movie", "dev_only"])
def test_tables_of_groups_lack_no_column(results: Path, tmp_path: Path, folder: str, task: str) -> None:
    group = MOVIE | {"task": task, "kind": "random" if folder == "contrasts" else "winning"}
    path = next((results / folder).glob(f"minilm/{task}/n64/{group['kind']}.*"))
    table = read_groups(results, folder, [group], GRID)
    damaged = tmp_path / path.relative_to(results)
    damaged.parent.mkdir(parents=True)

    def write(changed: pd.DataFrame) -> None:
        changed.to_parquet(damaged) if damaged.suffix == ".parquet" else changed.to_csv(damaged, index=False)

    write(table)
    assert read_groups(tmp_path, folder, [group], GRID).equals(table)
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
            with pytest.raises(UserError, match=rf"\w+\.\w+: not a table as it was written: .*'{name}'; delete"):
                read_groups(tmp_path, folder, [group], GRID)


def test_tables_of_one_seed_lack_nothing(tmp_path: Path) -> None:
    grid = GRID | {"tasks": ["movie", "dev_only"], "train_sizes": [64], "kinds": ["winning"], "seeds": [1]}
    write_runs(tmp_path, grid)
    for folder in ("scores", "comparisons", "selections"):
        read_groups(tmp_path, folder, groups_of(grid), grid)
    read_judged(tmp_path, "comparisons.csv", grid)
    assert read_judged(tmp_path, "verdicts.csv", grid)["peak_low"].isna().all()
    trained = []
    for task in grid["tasks"]:
        run = {**MOVIE, "task": task, "seed": 1, "kind": "full", "ratio": 0.0, "draw": 1}
        runs = {"full": [run], "super": [run | {"kind": "winning", "ratio": 0.3}]}
        trained.append(Ways({**MOVIE, "task": task}, ["accuracy"], runs))
    new = [Ways({**MOVIE, "train_size": 32}, ["accuracy"], {"pretrained": [run], NO_TICKETS: [run]})]
    for name, ways, baseline in (("ways", trained, "full"), ("new", new, "pretrained")):
        (tmp_path / name).mkdir()
        score_ways(tmp_path, ways).to_parquet(tmp_path / name / "scores.parquet")
        write_csv(tmp_path / name / "comparisons.csv", compare_ways(tmp_path, ways, [baseline], average=True))
    compared = read_table(tmp_path / "ways/comparisons.csv", content=TABLES["comparisons of ways"])
    assert compared["metric"].isna().any() and set(NAMES) <= set(compared)
    files = [tmp_path / f"spread.{suffix}" for suffix in ("csv", "md", "tex")]
    others = {str(tmp_path / name / "scores.parquet"): "test" for name in ("ways", "new")}  # as a command line has them
    write_seed_sensitivity(tmp_path, grid, others, *files)
    table = pd.read_csv(files[0])
    assert set(table["training"]) == {"alone", "all tasks", "new task", "all tasks, then new task"}
    assert (table["chance"] == 50).all()


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


ALONE = GRID | {"tasks": ["movie"], "train_sizes": [64], "kinds": ["winning"]}


@pytest.mark.parametrize("folder", ["scores", "comparisons", "selections", "decompositions"])
@pytest.mark.parametrize("other", ["dev_only/n64/winning", "movie/n32/winning", "movie/n64/random"])
def test_tables_of_other_groups(results: Path, tmp_path: Path, folder: str, other: str) -> None:
    for path in (results / folder).glob(f"minilm/{other}.*"):
        copy = tmp_path / folder / f"minilm/movie/n64/winning{path.suffix}"
        copy.parent.mkdir(parents=True)
        shutil.copy(path, copy)
        with pytest.raises(UserError, match=r"n64/winning.*: its (task|train_size|kind) is .*, of another group"):
            read_groups(tmp_path, folder, groups_of(ALONE), ALONE)


@pytest.mark.parametrize(
    ("folder", "column", "value", "message"),
    [
        ("selections", "ratio", 0.2, r"its ratio is 0.2, none of \[0.1, 0.3, 0.5\]"),
        ("selections", "ratio", 0.0, "its ratio is 0, none of"),
        ("selections", "train_size", "1e5", "train_size is '1e5', no number, share or all"),
        ("scores", "seed", 9, "rows of test, accuracy, not one for each of 12 ratio, seed, draw"),
        ("scores", "seed", np.nan, "rows of test, accuracy, not one for each of 12 ratio, seed, draw"),
        ("scores", "ratio", 0.1, "its kind is 'full'"),
        ("comparisons", "ratio", 0.2, "rows of .*, not one for each of 3 ratio"),
    ],
)
def test_tables_of_other_runs(
    results: Path, tmp_path: Path, folder: str, column: str, value: Any, message: str
) -> None:
    for name in ("scores", "comparisons", "selections"):
        shutil.copytree(results / name / "minilm/movie", tmp_path / name / "minilm/movie")
    path = next((tmp_path / folder / "minilm/movie/n64").glob("winning.*"))
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    table = table.assign(**{column: value})
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
    made = tmp_path / "made.pdf"
    with pytest.raises(UserError, match=rf"n64/winning.*: .*{message}.*; delete it"):
        if folder == "comparisons":
            judge(tmp_path, ALONE, {"movie": 1.0}, made)
        else:
            draw_phase_transition(tmp_path, ALONE, {"movie": 1.0}, {"x": "weight"}, made, made)
    if folder != "comparisons":
        with pytest.raises(UserError, match=rf"n64/winning.*: .*{message}"):
            exported_run(tmp_path, ALONE, MOVIE, "accuracy", "super")
    assert not made.exists()


def test_without_a_super_ticket_nothing_follows_from_it(results: Path, tmp_path: Path) -> None:
    for name in ("scores", "comparisons", "selections"):
        shutil.copytree(results / name / "minilm/movie", tmp_path / name / "minilm/movie")
    path = tmp_path / "selections/minilm/movie/n64/winning.csv"
    pd.read_csv(path).assign(ratio=np.nan).to_csv(path, index=False)
    with pytest.raises(UserError, match=r"n64/winning.csv: there is no super ticket: validation scores of every ratio"):
        exported_run(tmp_path, ALONE, MOVIE, "accuracy", "super")
    draw_phase_transition(
        tmp_path, ALONE, {"movie": 1.0}, {"x": "weight"}, tmp_path / "made.pdf", tmp_path / "made.png"
    )  # without a star


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_tables_that_have_lost_their_end(results: Path, tmp_path: Path, lost: int) -> None:
    content = (results / "comparisons/minilm/movie/n64/winning.csv").read_bytes()
    (tmp_path / "winning.csv").write_bytes(content)
    read_table(tmp_path / "winning.csv", content=TABLES["comparisons"])
    (tmp_path / "winning.csv").write_bytes(content[:-lost])
    with pytest.raises(UserError, match=r"winning.csv: not a table \(its last line has no newline\); delete it"):
        read_table(tmp_path / "winning.csv", content=TABLES["comparisons"])
    ticket = Ticket.full(1, 2)
    write_importance(tmp_path / "a.csv", ticket, {"taylor": ([np.array([0.1, 0.3])], np.array([0.7]))})
    (tmp_path / "a.csv").write_bytes((tmp_path / "a.csv").read_bytes()[:-lost])
    with pytest.raises(UserError, match=r"a.csv(: not a table \(its last line|, line 4: not a line)"):
        read_importance(tmp_path / "a.csv", "taylor", ticket)


@pytest.mark.parametrize("change", [{"heads_pruned": 5}, {"ffn_pruned": 1}, {"weight_remaining": 0.5}])
def test_a_full_model_that_something_was_cut_of(results: Path, tmp_path: Path, change: dict[str, float]) -> None:
    run = {**MOVIE, "seed": 1, "kind": "full", "ratio": 0.0, "draw": 1}
    record = copied(results, tmp_path) / run_folder(run) / "record.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    with pytest.raises(UserError, match=r"full/record.json: does not say what its ticket keeps; delete"):
        score_group(tmp_path, GRID, MOVIE, "accuracy", tmp_path / "table")


def test_a_record_that_says_a_thing_twice(results: Path, tmp_path: Path) -> None:
    run = {**MOVIE, "seed": 1, "kind": "full", "ratio": 0.0, "draw": 1}
    record = copied(results, tmp_path) / run_folder(run) / "record.json"
    record.write_text(record.read_text().rstrip()[:-1] + ', "steps": 25}')
    with pytest.raises(UserError, match=r"record.json: not valid JSON \(the key 'steps' is there twice\); delete"):
        score_group(tmp_path, GRID, MOVIE, "accuracy", tmp_path / "table")


@pytest.mark.parametrize("name", ["comparisons.csv", "verdicts.csv"])
def test_judgements_of_other_runs(results: Path, tmp_path: Path, name: str) -> None:
    table = read_judged(results, name, SIZES if name == "verdicts.csv" else GRID)
    grid = ALONE | {"tasks": ["movie", "dev_only"]}
    winning = table.assign(kind=table.get("kind", "winning"))["kind"] == "winning"
    table = table[winning & (table["train_size"] == "64") & table["task"].isin(grid["tasks"])]
    write_csv(tmp_path / name, table)
    assert len(read_judged(tmp_path, name, grid)) == len(table)
    size = table["train_size"]
    for changed, message in (
        (table[table["task"] == "movie"], "no rows of minilm, dev_only, 64, winning, unlike the experiment"),
        (table.assign(train_size=size.where(table["task"] == "movie", "32")), "rows of minilm, dev_only, 32, winning"),
        (pd.concat([table, table[-1:]]), "minilm, .*, 64, winning: .*(not one for each of|none of)"),
        (table.assign(ratio=0.2), "minilm, dev_only, 64, winning: .*(not one for each of|none of)"),
    ):
        write_csv(tmp_path / name, changed)
        with pytest.raises(UserError, match=rf"{name}: .*{message}.*; delete it"):
            read_judged(tmp_path, name, grid)


@pytest.mark.parametrize("right", [b'"pandas_type"', b'"int64"'])
def test_pandas_own_words_in_a_table_do_not_matter(tmp_path: Path, right: bytes) -> None:
    path, content = tmp_path / "a.parquet", pd.DataFrame({"ratio": [1, 2]})
    content.to_parquet(path)
    table = pq.read_table(path)
    words = table.schema.metadata[b"pandas"]
    assert right in words
    damaged = words.replace(right, right[:-2] + b'0"')
    pq.write_table(table.replace_schema_metadata({"pandas": damaged}), path)
    pd.testing.assert_frame_equal(read_table(path, "ratio"), content)


def test_importance_beyond_its_norm(tmp_path: Path) -> None:
    ticket = Ticket.full(1, 2)
    write_importance(tmp_path / "a.csv", ticket, {"taylor": ([np.array([0.0, 3.0])], np.array([2.0]))})
    assert read_importance(tmp_path / "a.csv", "taylor", ticket)["ffn"].tolist() == [1.0]
    (tmp_path / "a.csv").write_text((tmp_path / "a.csv").read_text().replace("2.0,1.0", "2.0,1e308"))
    with pytest.raises(UserError, match=r"a.csv, line 4: .*normalized is 1e\+308, not from -1 to 1"):
        read_importance(tmp_path / "a.csv", "taylor", ticket)


@pytest.mark.parametrize("kind", ["multi_task", "adaptation"])
def test_ways_that_there_are_not(results: Path, tmp_path: Path, kind: str) -> None:
    names = ["full", "super"] if kind == "multi_task" else ["pretrained", "full-full", "super-union"]
    run = {**MOVIE, "seed": 1, "kind": "full", "ratio": 0.0, "draw": 1}
    trained = [Ways(MOVIE, ["accuracy"], {name: [run, run | {"seed": 2}] for name in names})]
    scores = score_ways(results, trained)
    compared = compare_ways(results, trained, [name for name in names if name.startswith(("full", "pre"))], False)
    folder = tmp_path / kind / "movie" / "minilm"
    folder.mkdir(parents=True)
    write = (lambda *a: write_multi_task_dev(*a[:2], [], {}, *a[2:])) if kind == "multi_task" else (
        lambda *a: write_domain_adaptation(*a[:2], ["movie"], [], "test", *a[2:])
    )  # fmt: skip
    files, grid = [tmp_path / f"table.{suffix}" for suffix in ("csv", "md", "tex")], ALONE | {"seeds": [1, 2]}
    for changed, others, message in (
        (scores.assign(way=scores["way"].replace(names[-1], "zz-full")), compared, "scores.parquet: .*zz-full"),
        (scores.assign(train_size="1e5"), compared, "scores.parquet: .*train_size is '1e5'"),
        (scores.assign(model="other"), compared, "scores.parquet: it is of the model 'other'"),
        (scores[1:], compared, f"scores.parquet: .*, not one for each of {2 * len(names)} way, seed; delete"),
        (
            scores.assign(seed=7),
            compared,
            f"scores.parquet: .*, not one for each of {2 * len(names)} way, seed; delete",
        ),
        (scores, compared.assign(baseline="zz"), "comparisons.csv: .*, not one for each of .* way, baseline; delete"),
        (scores, pd.concat([compared, compared[-1:]]), "comparisons.csv: .*, not one for each of .* way, baseline"),
        (
            scores.assign(train_size="32"),
            compared,
            "comparisons.csv: movie, 32 is not both scored and compared; delete",
        ),
        (scores, compared, ""),
    ):
        changed.to_parquet(folder / "scores.parquet")
        write_csv(folder / "comparisons.csv", others)
        if not message:
            write(tmp_path, grid, *files)
            continue
        with pytest.raises(UserError, match=message):
            write(tmp_path, grid, *files)
    assert all(file.exists() for file in files)

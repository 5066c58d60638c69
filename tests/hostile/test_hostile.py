"""Damaged and hostile files and configs: a clear error or a right result, nothing else, and nothing half-written."""

from __future__ import annotations

import io
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import PROJECT, TOY, tiny_config, toy, tries, write_tiny_task
from hypothesis import given, settings
from hypothesis import strategies as st

from supertickets.data.task import prepare_task
from supertickets.encoder.ticket import Ticket
from supertickets.errors import UserError
from supertickets.evaluation.predictions import read_outcomes, read_record
from supertickets.experiment.config import CATALOGUE, check_config
from supertickets.experiment.task_files import resolved
from supertickets.experiment.task_sizes import known_sizes
from supertickets.files import LARGEST, canonical_json, read_json
from supertickets.tickets.importance_table import read_importance, write_importance

#: The folder of a test is the same for all of its examples, each of which writes its files anew.
FULL = Ticket.full(3, 4)


def nested(scalars: st.SearchStrategy, keys: st.SearchStrategy) -> st.SearchStrategy:
    """Values, and lists and mappings of them."""
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6
    )


#: What JSON can say, and what YAML can say beside it.
plain, texts = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8), st.text(max_size=8)
values = nested(plain, texts)
yaml_values = nested(
    plain | st.dates() | st.datetimes() | st.binary(max_size=4) | st.sets(texts, max_size=2), texts | st.dates()
)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Content with some bytes overwritten, taken out or put in, or cut off."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(changed) - 1, 0)))
        taken = draw(st.integers(0, 5))
        changed[place : place + taken] = draw(st.binary(max_size=5))
    return bytes(changed[: draw(st.integers(0, len(changed)))] if draw(st.booleans()) else changed)


def leaves(content: Any, path: tuple = ()) -> list[tuple]:
    """The paths of all values in nested mappings and lists."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else []
    return [path] * bool(path) + [found for key, value in inner for found in leaves(value, (*path, key))]


@st.composite
def changed(draw: st.DrawFn, content: Any, drawn: st.SearchStrategy = values) -> Any:
    """Content of a JSON file with one value, anywhere, replaced by something else."""
    copy = json.loads(json.dumps(content))
    path = draw(st.sampled_from(leaves(copy)))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = draw(drawn)
    return copy


def rows() -> list[dict[str, Any]]:
    return [{"id": n, "text": f"a good film {n}", "label": ("no", "yes")[n % 2]} for n in range(40)]


def files() -> dict[str, bytes]:
    """A good file of each form."""
    table, parquet = pd.DataFrame(rows()), io.BytesIO()
    table.to_parquet(parquet, index=False)
    return {
        "toy.tsv": table.to_csv(sep="\t", index=False).encode(),
        "toy.csv": table.to_csv(index=False).encode(),
        "toy.jsonl": "\n".join(json.dumps(row) for row in rows()).encode(),
        "toy.parquet": parquet.getvalue(),
    }


def made(tmp_path: Path, name: str, content: bytes) -> bool:
    """Whether a task could be made of a file; if not, for a reason that names it, and nothing is left."""
    path, task = tmp_path / name, tmp_path / "task.parquet"
    path.write_bytes(content)
    task.unlink(missing_ok=True)
    definition = {key: value for key, value in TOY.items() if key != "delimiter"}
    try:
        prepare_task(resolved({**definition, "path": str(path)}, "hub"), task)
    except UserError as error:
        assert name in str(error) or "examples" in str(error)
        assert {one.name for one in tmp_path.iterdir()} == {name}
        return False
    table = pd.read_parquet(task)
    assert set(table["label"].dropna()) <= {0.0, 1.0} and table["id"].is_unique
    return True


@pytest.mark.parametrize("name", files())
@given(data=st.data())
def test_damaged_files_of_examples(tmp_path: Path, name: str, data: st.DataObject) -> None:
    made(tmp_path, name, data.draw(damaged(files()[name])))


@pytest.mark.parametrize("name", files())
@given(content=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")))
def test_files_of_anything(tmp_path: Path, name: str, content: bytes) -> None:
    assert not made(tmp_path, name, content)


@given(lines=st.lists(values.map(json.dumps) | changed(rows()[0]).map(json.dumps), max_size=4))
def test_json_lines_of_anything(tmp_path: Path, lines: list[str]) -> None:
    good = [json.dumps(row) for row in rows()]
    made(tmp_path, "toy.jsonl", "\n".join(good + lines).encode())


@pytest.mark.parametrize("name", files())
def test_good_files_are_made_into_tasks(tmp_path: Path, name: str) -> None:
    assert made(tmp_path, name, files()[name])


@pytest.mark.parametrize(
    "line", ["[" * 200_000, '{"a":' * 100_000, "1" * 10_000, '{"id": 1, "text": "\\ud800", "label": "no"}', "\x00"]
)
def test_json_that_is_made_to_break_readers(tmp_path: Path, line: str) -> None:
    assert not made(tmp_path, "toy.jsonl", "\n".join([*(json.dumps(row) for row in rows()), line]).encode())
    (tmp_path / "record.json").write_bytes(line.encode())
    with suppress(UserError):
        read_json(tmp_path / "record.json")


@given(content=changed(FULL.as_json()) | values)
def test_tickets_of_anything(content: Any) -> None:
    with suppress(UserError):
        ticket = Ticket.of(content, "some.json")
        assert len(list(ticket.units())) == sum(map(len, ticket.heads)) + len(ticket.ffn)
        assert Ticket.of(json.loads(json.dumps(ticket.as_json())), "again") == ticket


@given(data=st.data())
def test_damaged_json(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "ticket.json"
    path.write_bytes(data.draw(damaged(json.dumps(FULL.as_json()).encode()) | st.binary(max_size=60)))
    with suppress(UserError):
        Ticket.read(path)


@given(data=st.data())
def test_damaged_importance(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "importance.csv"
    random = np.random.default_rng(0)
    write_importance(path, FULL, {"taylor": (list(random.random((3, 4))), random.random(3))})
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    with suppress(UserError):
        scores = read_importance(path, "taylor", FULL)
        assert scores["head"].shape == (3, 4)


RUN = {"model": "tiny", "task": "toy", "train_size": 32, "seed": 1, "kind": "full", "ratio": 0.0, "draw": 1}


@given(data=st.data())
def test_damaged_records_and_predictions(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "runs/tiny/toy/n32/seed1/full"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text(json.dumps(data.draw(changed({"run": RUN, "steps": 3}) | values)))
    with suppress(UserError):
        assert read_record(tmp_path, RUN)["run"] == RUN
    table = pd.DataFrame({"id": ["a", "b"], "split": "test", "label": [0.0, 1.0], "logits": [[0.1, 0.2], [0.3, 0.4]]})
    table.to_parquet(folder / "predictions.parquet", index=False)
    content = data.draw(damaged((folder / "predictions.parquet").read_bytes()))
    (folder / "predictions.parquet").write_bytes(content)
    with suppress(UserError):
        read_outcomes(tmp_path, [RUN])


@pytest.mark.parametrize(
    ("text", "rows", "message"),
    [("x" * 100_000, 100_000, "rows up to .* have more than 2,147,483,648 bytes"), ("", 10**7 + 1, "at most")],
)
def test_parquet_that_stands_for_far_more(tmp_path: Path, text: str, rows: int, message: str) -> None:
    numbers = pa.array(np.zeros(rows, dtype=np.int8))
    table = pa.table({key: pa.DictionaryArray.from_arrays(numbers, [text]) for key in ("id", "label", "text")})
    path = tmp_path / "bomb.parquet"
    pq.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 100_000
    definition = {key: value for key, value in TOY.items() if key != "delimiter"}
    with pytest.raises(UserError, match=f"bomb.parquet: .*{message}"):
        prepare_task(resolved({**definition, "path": str(path)}, "hub"), tmp_path / "task.parquet")


SHIPPED = [
    yaml.safe_load(path.read_text())
    for path in (PROJECT / "config.yaml", *sorted((PROJECT / "configs").glob("*.yaml")))
]


@given(data=st.data())
def test_configs_of_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/tiny").mkdir(parents=True, exist_ok=True)
    write_tiny_task(tmp_path / "data/toy.tsv")
    shipped = st.sampled_from([*SHIPPED, tiny_config()]).flatmap(lambda config: changed(config, yaml_values))
    config = data.draw(shipped | st.dictionaries(st.text() | st.dates(), yaml_values))
    with suppress(UserError):
        assert canonical_json(check_config(config))


COLA = yaml.safe_load(CATALOGUE.read_text())["tasks"]["cola"]


@settings(max_examples=tries(60, quick=10))
@given(data=st.data())
def test_tasks_in_the_layout_of_glue_of_anything(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "CoLA").mkdir(exist_ok=True)
    for name in ("train", "dev", "validation"):
        (tmp_path / f"CoLA/{name}.tsv").write_text("x\t1\t\tOne.\n")
    for name in ("test", "test_unlabelled"):
        (tmp_path / f"CoLA/{name}.tsv").write_text("index\tsentence\n0\tTwo.\n")
    columns = st.dictionaries(st.sampled_from(("id", "text", "target")), st.integers(-2, 5) | st.just("x"), min_size=2)
    reading = st.fixed_dictionaries({}, optional={"columns": columns, "fields": st.integers(1, 5)})
    part, whole, own = data.draw(st.tuples(st.sampled_from([*COLA["glue"]["parts"]]), reading, reading))
    parts = COLA["glue"]["parts"] | ({part: {"file": f"{part}.tsv"} | own} if own else {})
    glue = COLA["glue"] | whole | {"parts": parts}
    glue = data.draw(st.just(glue) | changed(glue, yaml_values))
    config = {"tasks": ["own"], "define": {"tasks": {"own": COLA | {"glue": glue}}}, "glue": str(tmp_path)}
    config |= {"train_sizes": ["all"], "evaluate": {"validation": "all", "test": "all"}}
    with suppress(UserError):
        config = check_config(config)
        prepare_task(resolved(config["define"]["tasks"]["own"], config["glue"]), tmp_path / "task.parquet")


def config_of(name: str, **changes: Any) -> dict[str, Any]:
    """The tiny experiment with tasks of another file."""
    config = tiny_config(**changes)
    for task in config["define"]["tasks"].values():
        task["path"] = f"data/{name}"
    return config


@pytest.mark.parametrize("name", files())
@pytest.mark.parametrize("sizes", [[8], ["all"]])
def test_files_that_are_too_large_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, sizes: list[Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/tiny").mkdir(parents=True)
    path = tmp_path / "data" / name
    path.touch()
    os.truncate(path, 64 * 2**30)
    with pytest.raises(UserError) as error:
        check_config(config_of(name, train_sizes=sizes))
    size = f"data/{name} has 68,719,476,736 bytes; at most {LARGEST:,} are read"
    assert f"\n  define.tasks.toy: {size}" in str(error.value)
    with pytest.raises(UserError, match=f"{name}: it has 68,719,476,736 bytes; at most"):
        prepare_task(toy(path), tmp_path / "task.parquet")


@pytest.mark.parametrize("name", files())
def test_pipes_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/tiny").mkdir(parents=True)
    os.mkfifo(tmp_path / "data" / name)
    with pytest.raises(UserError, match=f"define.tasks.toy: no such file: data/{name}"):
        check_config(config_of(name))
    with pytest.raises(UserError, match=f"{name}: it is not a regular file"):
        prepare_task(toy(tmp_path / "data" / name), tmp_path / "task.parquet")


def test_pipes_are_no_json(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ticket.json")
    with pytest.raises(UserError, match=r"ticket.json: it is not a regular file"):
        Ticket.read(tmp_path / "ticket.json")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            pa.StructArray.from_arrays([pa.array(["a"]), pa.array(["b"])], ["same", "same"]),
            "column 'text' is of the type struct",
        ),
        (pa.array([[0] * 9]), "column 'text' is of the type list"),
        (pa.array([0], pa.timestamp("s", tz="Not/AZone")), "not a readable Parquet file"),
    ],
    ids=["struct", "list", "zone"],
)
def test_values_that_are_no_texts_or_that_pyarrow_does_not_convert(
    tmp_path: Path, column: pa.Array, message: str
) -> None:
    pq.write_table(pa.table({"id": ["1"], "text": column, "label": ["no"]}), tmp_path / "toy.parquet")
    with pytest.raises(UserError, match=f"toy.parquet: {message}"):
        prepare_task(toy(tmp_path / "toy.parquet"), tmp_path / "task.parquet")


@pytest.mark.parametrize("chunk", [1, 2, 2**20])
@pytest.mark.parametrize("name", ["toy.tsv", "toy.csv"])
@given(content=st.lists(st.sampled_from([b"\r", b"\n", b"a", b'"', b","])).map(b"".join))
def test_lines_are_those_that_readers_of_whole_files_see(tmp_path: Path, name: str, chunk: int, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    split = {"group_separator": "_"}
    entry = {"path": str(tmp_path / name), "columns": {"text": 0, "target": 1}, "fields": 2, "split": split}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("supertickets.experiment.task_sizes.CHUNK", chunk)
        known = known_sizes({"glue": "hub"}, entry)
    lines = content.splitlines() if name == "toy.csv" else io.BytesIO(content).readlines()
    assert known == dict.fromkeys(("train", "validation", "test"), len(lines))


@pytest.mark.parametrize("name", ["../up", "a b", "a;rm", "$(id)", "a/b", "", ".hidden", "-x", "Ä", "a\n", "x" * 300])
@pytest.mark.parametrize("part", ["models", "tasks", "kinds"])
def test_names_that_would_leave_their_folder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/tiny").mkdir(parents=True)
    write_tiny_task(tmp_path / "data/toy.tsv")
    config = tiny_config()
    entry = {"like": "winning"} if part == "kinds" else next(iter(config["define"][part].values()))
    for tried in (name, "fine"):
        config["define"] = {**config["define"], part: {**config["define"].get(part, {}), tried: entry}}
        if tried == "fine":
            config["define"][part].pop(name)
            check_config(config)
        else:
            with pytest.raises(UserError, match=f"define.{part} is {re.escape(repr(name))}"):
                check_config(config)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("logits", [[0.1], [0.1, 0.2]]),
        ("label", ["x", "y"]),
        ("split", [0, 1]),
        ("split", [["test"], ["test"]]),
        ("id", [0, 1]),
    ],
)
def test_predictions_that_are_no_numbers(tmp_path: Path, column: str, values: list[Any]) -> None:
    folder = tmp_path / "runs/tiny/toy/n32/seed1/full"
    folder.mkdir(parents=True)
    content = {"id": ["a", "b"], "split": "test", "label": [0.0, 1.0], "logits": [[0.1, 0.2], [0.3, 0.4]]}
    pd.DataFrame(content | {column: values}).to_parquet(folder / "predictions.parquet", index=False)
    with pytest.raises(UserError, match=r"predictions.parquet: not predictions.*; delete it"):
        read_outcomes(tmp_path, [RUN])


def test_a_row_with_not_a_number(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "fine", "label": "no"}\n{"text": NaN, "label": "yes"}\n')
    task = toy(tmp_path / "a.jsonl", columns={"text": "text", "target": "label"})
    with pytest.raises(UserError, match=r"a.jsonl, line 2: text is nan, not a text or a finite number"):
        prepare_task(task, tmp_path / "task.parquet")

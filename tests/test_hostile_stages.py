"""What one stage leaves to the next, damaged or of another encoder: one clear error, or set aside."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import TINY
from test_training import SETTINGS, encoded, run

from supertickets.batches import Encoded
from supertickets.entry import run as call
from supertickets.errors import UserError
from supertickets.model import build
from supertickets.rewind import read_arrays, write_cut
from supertickets.subsample import subsample
from supertickets.tables import chosen_ratio, read_groups, read_table
from supertickets.tickets import Shape, Ticket
from supertickets.training import with_chosen

__all__ = ["encoded"]  # the fixture

HEADS = [[0, 1], [0], [3]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads_per_layer": True}, "True is no whole number"),
        ({"heads_per_layer": 4.5}, "4.5 is no whole number"),
        ({"ffn": [0.5]}, "0.5 is no whole number"),
        ({"ffn": [True]}, "True is no whole number"),
        ({"heads": [[0.0, 1.5], [0], [1]]}, "0.0 is no whole number"),
    ],
)
def test_units_are_whole_numbers(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"a file: not a ticket: {message}"):
        Ticket.of({"heads": HEADS, "ffn": [0], "heads_per_layer": 4} | change, "a file")


def test_a_ticket_of_an_encoder_with_more_heads(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "ticket.json").write_text(json.dumps({"heads": HEADS, "ffn": [0], "heads_per_layer": 8}))
    with pytest.raises(UserError, match=r"ticket.json: it has 3 layers of 8 heads, the encoder 3 of 4"):
        write_cut(
            read_arrays(tiny / "model.safetensors"), tiny / "config.json", tmp_path / "ticket.json", tmp_path / "cut"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["ticket.json"]
    with pytest.raises(UserError, match=r"ticket: it has 3 layers of 8 heads, the encoder 3 of 4"):
        build(TINY, Ticket.read(tmp_path / "ticket.json"), 2, 0.1)


@pytest.mark.parametrize("content", [[], {}, {"rows": []}, {"rows": ["a"]}, {"rows": [0.5]}, {"rows": [True]}])
def test_subsets_that_are_none(encoded: Path, tmp_path: Path, content: Any) -> None:
    (tmp_path / "subset.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"subset.json: not a subset: rows is .* delete it"):
        Encoded.read(encoded / "encoded.parquet").chosen_rows(tmp_path / "subset.json")


@pytest.mark.parametrize("row", [-1, 120, 2**70])
def test_subsets_of_other_tasks(encoded: Path, tmp_path: Path, row: int) -> None:
    (tmp_path / "subset.json").write_text(json.dumps({"rows": [0, row]}))
    with pytest.raises(UserError, match=rf"subset.json: row {row}: the task has 120"):
        Encoded.read(encoded / "encoded.parquet").chosen_rows(tmp_path / "subset.json")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("input_ids", "text", "not an encoded task"),
        ("input_ids", [1.5], "not an encoded task"),
        ("label", "x", "not an encoded task"),
        ("label", None, "label has empty places"),
        ("input_ids", [None], "input_ids has empty places"),
        ("token_type_ids", [0], "of other lengths"),
    ],
)
def test_encoded_tasks_of_other_types(encoded: Path, tmp_path: Path, column: str, value: Any, message: str) -> None:
    table = pq.read_table(encoded / "encoded.parquet").to_pandas()
    table[column] = [value] * len(table)
    table.to_parquet(tmp_path / "encoded.parquet", index=False)
    with pytest.raises(UserError, match=rf"encoded.parquet: .*{message}"):
        Encoded.read(tmp_path / "encoded.parquet")


@pytest.mark.parametrize("content", [[], {"layers": 3}, {"layers": "x"}, {"chosen": 1}])
def test_dimensions_and_choices_that_are_none(tmp_path: Path, content: Any) -> None:
    (tmp_path / "file.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"file.json: not the dimensions of an encoder"):
        Shape.read(tmp_path / "file.json", 2)
    with pytest.raises(UserError, match=r"file.json: chosen is .*, no settings"):
        with_chosen(SETTINGS, tmp_path / "file.json")


def test_a_dimension_that_is_no_number(tiny: Path, tmp_path: Path) -> None:
    content = json.loads((tiny / "shape.json").read_text())
    (tmp_path / "shape.json").write_text(json.dumps(content | {"heads": 0}))
    with pytest.raises(UserError, match=r"shape.json: not the dimensions of an encoder: .*'heads': 0"):
        Shape.read(tmp_path / "shape.json", 2)


@pytest.mark.parametrize("folder", ["scores", "comparisons"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe,\x00\n", b'"a'])
def test_tables_of_groups_that_are_none(tmp_path: Path, folder: str, content: bytes) -> None:
    group = {"model": "m", "task": "t", "train_size": "all", "kind": "winning"}
    with pytest.raises(UserError, match="not a table") as raised:
        read_groups(tmp_path, folder, [group])
    path = Path(str(raised.value).partition(":")[0])
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"not a table .*; delete it"):
        read_groups(tmp_path, folder, [group])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ratio,weight_remaining\n", "no rows"),
        ("ratio,weight\n0.3,0.8\n", "no numbers in a column 'weight_remaining'"),
        ("ratio,weight_remaining\nhalf,0.8\n", "no numbers in a column 'ratio'"),
        ("ratio,weight_remaining\nTrue,0.8\n", "no numbers in a column 'ratio'"),
    ],
)
def test_tables_that_lack_what_is_read(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "table.csv").write_text(content)
    with pytest.raises(UserError, match=rf"table.csv: not a table as it was written: {message}; delete it"):
        read_table(tmp_path / "table.csv", "ratio", "weight_remaining")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("ratio\n0.3\n0.4\n", "not one ratio"),
        ("ratio\n1.3\n", "not one ratio"),
        ('ratio\n""\n', "not one ratio"),
        ("task\nmovie\n", ".*no numbers in a column 'ratio'"),
        ("", "not a table"),
    ],
)
def test_a_selection_that_chooses_nothing(tmp_path: Path, content: str, message: str) -> None:
    trial = {"model": "m", "task": "t", "train_size": 180}
    path = tmp_path / "selections/m/t/n180/winning.csv"
    path.parent.mkdir(parents=True)
    path.write_text("model,ratio\nm,0.3\n")
    assert chosen_ratio(tmp_path, trial) == 0.3
    path.write_text(content)
    with pytest.raises(UserError, match=rf"winning.csv: {message}.*; delete it"):
        chosen_ratio(tmp_path, trial)


def test_a_damaged_task_is_not_sampled(tmp_path: Path) -> None:
    (tmp_path / "task.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(UserError, match=r"task.parquet: not a table .*; delete it"):
        subsample(tmp_path / "task.parquet", "all", 1, 0, tmp_path / "subset.json")
    assert not (tmp_path / "subset.json").exists()


@pytest.mark.parametrize("kind", ["pipe", "folder", "shorter"])
def test_checkpoints_that_are_no_files_or_shorter_than_they_say(
    encoded: Path, tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    path = out / "checkpoint.safetensors"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        header = json.dumps({"x": {"dtype": "F32", "shape": [2**48], "data_offsets": [0, 2**50]}}).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header)
    run(encoded, tiny, out)
    assert any("is not used: it is damaged" in record.message for record in caplog.records)
    assert (out / "record.json").exists() and (out / "checkpoint.unusable").exists()


def test_too_little_memory_is_one_line() -> None:
    def full() -> None:
        """..."""
        raise MemoryError

    with pytest.raises(SystemExit, match="Error: not enough memory"):
        call(full, [])


def test_what_is_read_below_json_dates_what_is_made(tmp_path: Path) -> None:
    later = time.time_ns() + 3600 * 10**9
    (tmp_path / "source").write_text("x")
    os.utime(tmp_path / "source", ns=(later, later))

    def make(definition: dict[str, Any], folder: Path) -> None:
        """..."""
        folder.mkdir()
        (folder / "made").write_text("x")

    definition = json.dumps({"files": [{"path": str(tmp_path / "source")}]})
    call(make, ["--definition", definition, "--folder", str(tmp_path / "made")])
    assert (tmp_path / "made/made").stat().st_mtime_ns == later

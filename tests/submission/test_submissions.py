"""Submissions to the GLUE server: written files, refused predictions, and problems that the check finds."""

from __future__ import annotations

import dataclasses
import json
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from supertickets.errors import UserError
from supertickets.submission import archive as submissions
from supertickets.submission.archive import validate_submission, write_submission

#: The server's files, independent of the library's table: task, split, rows and classes in order.
OFFICIAL: dict[str, tuple[str, str, int, list[str] | None]] = {
    "CoLA.tsv": ("cola", "test_unlabelled", 1063, ["0", "1"]),
    "SST-2.tsv": ("sst2", "test_unlabelled", 1821, ["0", "1"]),
    "MRPC.tsv": ("mrpc", "test_unlabelled", 1725, ["0", "1"]),
    "STS-B.tsv": ("stsb", "test_unlabelled", 1379, None),
    "MNLI-m.tsv": ("mnli", "test_unlabelled", 9796, ["entailment", "neutral", "contradiction"]),
    "MNLI-mm.tsv": ("mnli", "test_unlabelled_mismatched", 9847, ["entailment", "neutral", "contradiction"]),
    "QNLI.tsv": ("qnli", "test_unlabelled", 5463, ["entailment", "not_entailment"]),
    "QQP.tsv": ("qqp", "test_unlabelled", 390965, ["0", "1"]),
    "RTE.tsv": ("rte", "test_unlabelled", 3000, ["entailment", "not_entailment"]),
    "WNLI.tsv": ("wnli", "test_unlabelled", 146, ["0", "1"]),
    "AX.tsv": ("mnli", "ax", 1104, ["entailment", "neutral", "contradiction"]),
}
TASKS = list(dict.fromkeys(task for task, *_ in OFFICIAL.values()))
COMMONEST = {"CoLA": "1", "SST-2": "1", "MRPC": "1", "QQP": "0", "WNLI": "0", "STS-B": "2.701"}
COMMONEST |= {"RTE": "entailment", "QNLI": "not_entailment"}  # all others are of MNLI


def made_up(name: str) -> np.ndarray:
    """Logits for one file of the server; some scores are outside 0 to 5."""
    _, _, size, labels = OFFICIAL[name]
    random = np.random.default_rng(list(OFFICIAL).index(name))
    if labels is None:
        return random.uniform(-1, 6, (size, 1)).astype(np.float32)
    return random.normal(size=(size, len(labels))).astype(np.float32)


def table_of(parts: dict[str, np.ndarray], shuffled: int | None = None) -> pa.Table:
    """Predictions of some splits, and of a labelled split that the server does not use."""
    tables = []
    for split, logits in {"validation": np.ones((7, next(iter(parts.values())).shape[1])), **parts}.items():
        starts = np.arange(len(logits) + 1, dtype=np.int32) * logits.shape[1]
        columns = {
            "id": [str(index) for index in range(len(logits))],
            "split": [split] * len(logits),
            "logits": pa.ListArray.from_arrays(starts, logits.astype(np.float32).ravel()),
        }
        tables.append(pa.table(columns))
    table = pa.concat_tables(tables)
    return table if shuffled is None else table.take(np.random.default_rng(shuffled).permutation(len(table)))


def write_predictions(folder: Path, tasks: list[str], shuffled: int | None = None) -> dict[str, str]:
    """Files of made-up predictions by task."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for task in tasks:
        parts = {split: made_up(name) for name, (of, split, *_) in OFFICIAL.items() if of == task}
        paths[task] = str(folder / f"{task}.parquet")
        pq.write_table(table_of(parts, shuffled), paths[task])
    return paths


def files_in(archive: Path) -> dict[str, str]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name).decode() for name in opened.namelist()}


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submission of all tasks, rows in random order."""
    folder = tmp_path_factory.mktemp("complete")
    write_submission(write_predictions(folder, TASKS, shuffled=0), folder / "out" / "all.zip")
    return folder / "out" / "all.zip"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose test files hold at most forty examples, for speed."""
    shrunk = [dataclasses.replace(file, size=min(file.size, 40)) for file in submissions.FILES]
    monkeypatch.setattr(submissions, "FILES", tuple(shrunk))


def test_all_tasks_round_trip_in_the_order_of_the_test_files(complete: Path) -> None:
    files = files_in(complete)
    assert list(files) == list(OFFICIAL)
    assert validate_submission(complete) == []
    for name, (_, _, size, labels) in OFFICIAL.items():
        header, *rows = files[name].removesuffix("\n").split("\n")
        assert header == "index\tprediction"
        indices, answers = zip(*(row.split("\t") for row in rows), strict=True)
        assert indices == tuple(str(index) for index in range(size))
        logits = made_up(name)
        if labels is None:
            assert {len(answer) for answer in answers} == {5}  # three decimals
            np.testing.assert_allclose(np.array(answers, float), np.clip(logits[:, 0], 0, 5), atol=5.1e-4)
            assert {"0.000", "5.000"} <= set(answers)
        else:
            assert answers == tuple(labels[index] for index in logits.argmax(axis=1))
            assert set(answers) == set(labels)
    sources = json.loads(complete.with_suffix(".json").read_text())
    assert list(sources) == list(OFFICIAL)
    for name, (task, _, size, _) in OFFICIAL.items():
        assert sources[name] == {"task": task, "rows": size, "source": "predicted"}
    assert {path.name for path in complete.parent.iterdir()} == {"all.zip", "all.json"}


def test_equal_predictions_give_equal_bytes_whatever_their_order(complete: Path, tmp_path: Path) -> None:
    write_submission(write_predictions(tmp_path, TASKS, shuffled=None), tmp_path / "another.zip")
    assert (tmp_path / "another.zip").read_bytes() == complete.read_bytes()
    with zipfile.ZipFile(complete) as opened:
        for entry in opened.infolist():
            assert (entry.date_time, entry.external_attr >> 16) == ((1980, 1, 1, 0, 0, 0), 0o100644)


def test_missing_tasks_are_filled_and_said_so(tmp_path: Path) -> None:
    write_submission(write_predictions(tmp_path, ["rte", "mnli"]), tmp_path / "some.zip")
    assert validate_submission(tmp_path / "some.zip") == []
    files, sources = files_in(tmp_path / "some.zip"), json.loads((tmp_path / "some.json").read_text())
    for name, (task, _, size, _) in OFFICIAL.items():
        answers = [row.split("\t")[1] for row in files[name].splitlines()[1:]]
        filler = COMMONEST.get(name.removesuffix(".tsv"), "contradiction")
        if task in ("rte", "mnli"):
            assert sources[name]["source"] == "predicted"
            assert len(set(answers)) > 1
        else:
            what = "mean training score" if name == "STS-B.tsv" else "majority class"
            assert sources[name] == {"task": task, "rows": size, "source": f"filler: {what} {filler}"}
            assert answers == [filler] * size


def test_all_fillers_are_valid_and_their_submission_is_too(small: None, tmp_path: Path) -> None:
    write_submission({}, tmp_path / "none.zip")
    assert all(source["source"] != "predicted" for source in json.loads((tmp_path / "none.json").read_text()).values())


def test_scores_have_no_negative_zero_and_three_decimals(small: None, tmp_path: Path) -> None:
    scores = np.full((40, 1), -0.0)
    scores[1:7, 0] = [-1e-9, -3, 7, 2.34567, 4.9996, 1]
    pq.write_table(table_of({"test_unlabelled": scores}), tmp_path / "stsb.parquet")
    write_submission({"stsb": str(tmp_path / "stsb.parquet")}, tmp_path / "scores.zip")
    answers = [row.split("\t")[1] for row in files_in(tmp_path / "scores.zip")["STS-B.tsv"].splitlines()[1:9]]
    assert answers == ["0.000", "0.000", "0.000", "5.000", "2.346", "5.000", "1.000", "0.000"]


def test_a_submission_replaces_an_older_one(small: None, tmp_path: Path) -> None:
    pq.write_table(table_of({"test_unlabelled": np.eye(2)[[0, 1] * 20]}), tmp_path / "rte.parquet")
    write_submission({}, tmp_path / "it.zip")
    write_submission({"rte": str(tmp_path / "rte.parquet")}, tmp_path / "it.zip")
    rows = files_in(tmp_path / "it.zip")["RTE.tsv"].splitlines()[1:3]
    assert rows == ["0\tentailment", "1\tnot_entailment"]


def changed(column: str, row: int, value: Any) -> Callable[[pa.Table], pa.Table]:
    """Change one value in a row of the server's split, which begins at row 7."""

    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[7 + row] = value
        return table.set_column(table.schema.get_field_index(column), column, [values])

    return change


#: Predictions of 40 rows and two classes that are not those of the test file, with the rows and the missing ids.
REFUSED: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "too few": (lambda table: table.slice(0, 46), "39 rows lack 1"),
    "too many": (lambda table: pa.concat_tables([table, table.slice(7, 1)]), "41 rows lack 0"),
    "another split": (changed("split", 3, "validation"), "39 rows lack 1"),
    "no such split": (lambda table: table.slice(0, 7), "0 rows lack 40"),
    "repeated": (changed("id", 3, "5"), "40 rows lack 1"),
    "out of range": (changed("id", 3, "40"), "40 rows lack 1"),
    "another spelling": (changed("id", 3, "03"), "40 rows lack 1"),
    "no id": (changed("id", 3, None), "40 rows lack 1"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_predictions_of_other_examples_are_refused_and_nothing_is_left(fault: str, small: None, tmp_path: Path) -> None:
    change, message = REFUSED[fault]
    path = tmp_path / "cola.parquet"
    pq.write_table(change(table_of({"test_unlabelled": np.eye(2)[[0, 1] * 20]})), path)
    with pytest.raises(UserError) as refused:
        write_submission({"cola": str(path)}, tmp_path / "out.zip")
    expected = f"{message} of the ids 0 to 39 of the test file; expected each once"
    assert str(refused.value) == f"{path}, split test_unlabelled: {expected}"
    assert list(tmp_path.iterdir()) == [path]


def test_the_diagnostic_set_is_part_of_what_the_mnli_model_predicts(small: None, tmp_path: Path) -> None:
    path = tmp_path / "mnli.parquet"
    logits = np.eye(3)[[0, 1, 2, 0] * 10]
    pq.write_table(table_of({"test_unlabelled": logits, "test_unlabelled_mismatched": logits}), path)
    with pytest.raises(UserError, match=r"mnli\.parquet, split ax: 0 rows lack 40"):
        write_submission({"mnli": str(path)}, tmp_path / "out.zip")


def test_unknown_tasks_and_names_are_refused(small: None, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^predictions: 'sst' is not a task of GLUE; its tasks are cola, sst2, mrpc, "):
        write_submission({"sst": "nowhere.parquet"}, tmp_path / "out.zip")
    with pytest.raises(UserError, match=r"out\.json: the server takes a zip file; give it a name that ends in \.zip"):
        write_submission({}, tmp_path / "out.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["id", "split", "logits", "everything"])
def test_files_that_are_not_predictions_are_refused(missing: str, small: None, tmp_path: Path) -> None:
    path = tmp_path / "cola.parquet"
    if missing == "everything":
        path.write_text("id,split,logits\n")
    else:
        pq.write_table(table_of({"test_unlabelled": np.ones((40, 2))}).drop_columns([missing]), path)
    with pytest.raises(UserError, match=r"cola\.parquet: not a Parquet file with columns id, split, logits \("):
        write_submission({"cola": str(path)}, tmp_path / "out.zip")
    assert list(tmp_path.iterdir()) == [path]


def test_what_the_check_refuses_does_not_get_its_name(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrunk = [dataclasses.replace(file, filler="perhaps") for file in submissions.FILES]
    monkeypatch.setattr(submissions, "FILES", tuple(shrunk))
    with pytest.raises(UserError) as refused:
        write_submission({}, tmp_path / "out.zip")
    message = r"CoLA.tsv, line 2: '0\tperhaps', expected 0, a tab and one of 0, 1 (and 39 more) (11 problems in all)"
    assert str(refused.value) == f"{tmp_path / 'out.zip'}: the server would refuse it: {message}"
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(submissions, "write_json", full)
    with pytest.raises(UserError, match="No space left"):
        write_submission({}, tmp_path / "out.zip")
    assert not list(tmp_path.iterdir())


Files = dict[str, bytes]


def edited(name: str, old: bytes, new: bytes) -> Callable[[Files], Files]:
    """Replace the first occurrence of some bytes in a file."""

    def edit(files: Files) -> Files:
        assert files[name].count(old) >= 1
        return files | {name: files[name].replace(old, new, 1)}

    return edit


#: Faults of an archive, and the messages.
WRONG: dict[str, tuple[Callable[[Files], Files], list[str]]] = {
    "header": (
        edited("RTE.tsv", b"index\tprediction", b"id\tlabel"),
        [r"RTE.tsv, line 1: 'id\tlabel', expected the header 'index\tprediction'"],
    ),
    "mark": (
        edited("RTE.tsv", b"index", b"\xef\xbb\xbfindex"),
        [r"RTE.tsv, line 1: '\ufeffindex\tprediction', expected the header 'index\tprediction'"],
    ),
    "no header": (
        edited("RTE.tsv", b"index\tprediction\n", b""),
        [
            r"RTE.tsv, line 1: '0\tentailment', expected the header 'index\tprediction'",
            "RTE.tsv, line 40: the last of 39 rows, expected 40",
            r"RTE.tsv, line 2: '1\tentailment', expected 0, a tab and one of entailment, not_entailment"
            " (and 38 more)",
        ],
    ),
    "missing row": (
        edited("WNLI.tsv", b"37\t0\n", b""),
        [
            "WNLI.tsv, line 40: the last of 39 rows, expected 40",
            r"WNLI.tsv, line 39: '38\t0', expected 37, a tab and one of 0, 1 (and 1 more)",
        ],
    ),
    "missing last row": (
        edited("WNLI.tsv", b"39\t0\n", b""),
        ["WNLI.tsv, line 40: the last of 39 rows, expected 40"],
    ),
    "one row more": (
        edited("WNLI.tsv", b"39\t0\n", b"39\t0\n40\t0\n"),
        ["WNLI.tsv, line 42: the last of 41 rows, expected 40"],
    ),
    "doubled index": (
        edited("AX.tsv", b"\n5\tcontradiction", b"\n4\tcontradiction"),
        [r"AX.tsv, line 7: '4\tcontradiction', expected 5, a tab and one of entailment, neutral, contradiction"],
    ),
    "label": (
        edited("QNLI.tsv", b"\n5\tnot_entailment", b"\n5\t0"),
        [r"QNLI.tsv, line 7: '5\t0', expected 5, a tab and one of entailment, not_entailment"],
    ),
    "label of another task": (
        edited("QNLI.tsv", b"\n5\tnot_entailment", b"\n5\tneutral"),
        [r"QNLI.tsv, line 7: '5\tneutral', expected 5, a tab and one of entailment, not_entailment"],
    ),
    "no tab": (
        edited("CoLA.tsv", b"\n5\t1", b"\n5 1"),
        ["CoLA.tsv, line 7: '5 1', expected 5, a tab and one of 0, 1"],
    ),
    "three columns": (
        edited("CoLA.tsv", b"\n5\t1", b"\n5\t1\t1"),
        [r"CoLA.tsv, line 7: '5\t1\t1', expected 5, a tab and one of 0, 1"],
    ),
    "empty line": (
        lambda files: files | {"CoLA.tsv": files["CoLA.tsv"] + b"\n"},
        [
            "CoLA.tsv, line 42: the last of 41 rows, expected 40",
            "CoLA.tsv, line 42: '', expected 40, a tab and one of 0, 1",
        ],
    ),
    "too high": (
        edited("STS-B.tsv", b"\n5\t2.701", b"\n5\t5.001"),
        [r"STS-B.tsv, line 7: '5\t5.001', expected 5, a tab and a number from 0 to 5"],
    ),
    "too low": (
        edited("STS-B.tsv", b"\n5\t2.701", b"\n5\t-0.001"),
        [r"STS-B.tsv, line 7: '5\t-0.001', expected 5, a tab and a number from 0 to 5"],
    ),
    "not a number": (
        edited("STS-B.tsv", b"\n5\t2.701", b"\n5\tnan"),
        [r"STS-B.tsv, line 7: '5\tnan', expected 5, a tab and a number from 0 to 5"],
    ),
    "line endings": (
        lambda files: files | {"MRPC.tsv": files["MRPC.tsv"].replace(b"\n", b"\r\n")},
        [
            r"MRPC.tsv, line 1: 'index\tprediction\r', expected the header 'index\tprediction'",
            r"MRPC.tsv, line 2: '0\t1\r', expected 0, a tab and one of 0, 1 (and 39 more)",
        ],
    ),
    "last newline": (
        lambda files: files | {"MRPC.tsv": files["MRPC.tsv"][:-1]},
        ["MRPC.tsv, line 41: ends without a newline, expected one"],
    ),
    "encoding": (
        edited("SST-2.tsv", b"\n5\t1", b"\n5\t\xff"),
        ["SST-2.tsv, line 7: invalid start byte, expected UTF-8"],
    ),
    "empty file": (
        lambda files: files | {"SST-2.tsv": b""},
        [
            r"SST-2.tsv, line 1: '', expected the header 'index\tprediction'",
            "SST-2.tsv, line 1: the last of 0 rows, expected 40",
        ],
    ),
    "missing file": (
        lambda files: {name: content for name, content in files.items() if name != "AX.tsv"},
        ["AX.tsv: no such file in the archive, expected one"],
    ),
    "extra file": (
        lambda files: files | {"README.md": b""},
        [f"README.md: not a file of a submission, expected {', '.join(OFFICIAL)}"],
    ),
    "folder": (
        lambda files: {f"glue/{name}" if name == "AX.tsv" else name: content for name, content in files.items()},
        [
            "glue/AX.tsv: in a folder, expected the files alone",
            "AX.tsv: no such file in the archive, expected one",
        ],
    ),
    "empty folder": (lambda files: files | {"glue/": b""}, ["glue/: in a folder, expected the files alone"]),
}


@pytest.fixture
def right(small: None, tmp_path: Path) -> Files:
    """The files of a valid submission of fillers."""
    write_submission({}, tmp_path / "right.zip")
    return {name: text.encode() for name, text in files_in(tmp_path / "right.zip").items()}


@pytest.mark.parametrize("fault", WRONG)
def test_the_check_says_what_is_wrong_and_where(fault: str, right: Files, tmp_path: Path) -> None:
    change, message = WRONG[fault]
    with zipfile.ZipFile(tmp_path / "wrong.zip", "w") as archive:
        for name, content in change(right).items():
            archive.writestr(name, content)
    assert validate_submission(tmp_path / "wrong.zip") == message


def test_the_check_takes_other_ways_to_write_the_same(right: Files, tmp_path: Path) -> None:
    right["STS-B.tsv"] = right["STS-B.tsv"].replace(b"\t2.701", b"\t5").replace(b"\n5\t5\n", b"\n5\t0.12345\n")
    with zipfile.ZipFile(tmp_path / "other.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in reversed(right.items()):
            archive.writestr(name, content)
    assert validate_submission(tmp_path / "other.zip") == []


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_the_check_finds_a_name_that_occurs_twice(right: Files, tmp_path: Path) -> None:
    shutil.copy(tmp_path / "right.zip", tmp_path / "twice.zip")
    with zipfile.ZipFile(tmp_path / "twice.zip", "a") as archive:
        archive.writestr("AX.tsv", right["AX.tsv"])
    assert validate_submission(tmp_path / "twice.zip") == ["AX.tsv: 2 files of this name, expected one"]


def test_the_check_finds_damage(right: Files, tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("index\tprediction\n")
    assert validate_submission(tmp_path / "text.zip") == [
        "text.zip: not a zip file that can be read (File is not a zip file)"
    ]
    content = bytearray((tmp_path / "right.zip").read_bytes())
    content[60:64] = bytes(4)  # inside the first file
    (tmp_path / "damaged.zip").write_bytes(content)
    (problem,) = validate_submission(tmp_path / "damaged.zip")
    assert problem.startswith("damaged.zip: not a zip file that can be read (")


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("split", pa.array([["test_unlabelled"]] * 47)),
        ("id", pa.array([["0"]] * 47)),
        ("id", pa.array([b"\xff"] * 47).view(pa.string())),
        ("logits", pa.array([0.5] * 47)),
        ("logits", pa.array([0.5] * 47).dictionary_encode()),
    ],
)
def test_predictions_of_other_types_are_refused(name: str, column: pa.Array, small: None, tmp_path: Path) -> None:
    table = table_of({"test_unlabelled": made_up("CoLA.tsv")[:40]})
    table = table.set_column(table.column_names.index(name), name, column)
    pq.write_table(table, tmp_path / "cola.parquet")
    with pytest.raises(UserError, match=r"cola\.parquet: not a Parquet file with columns id, split, logits .*; delete"):
        write_submission({"cola": str(tmp_path / "cola.parquet")}, tmp_path / "all.zip")


def test_predictions_that_end_in_the_middle_are_refused(small: None, tmp_path: Path) -> None:
    path = tmp_path / "cola.parquet"
    pq.write_table(table_of({"test_unlabelled": made_up("CoLA.tsv")[:40]}), path)
    content = path.read_bytes()
    for start in range(4, len(content) - 60, 7):
        path.write_bytes(content[:start] + bytes(40) + content[start + 40 :])
        with suppress(UserError):
            write_submission({"cola": str(path)}, tmp_path / "all.zip")

"""Sources of examples: files of every format, the layout of GLUE, and messages about broken files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import PROJECT

from supertickets.data.readers import read_rows
from supertickets.data.task import FEWEST, prepare_task
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.tokenise import tokenise
from supertickets.errors import UserError
from supertickets.experiment.config import CATALOGUE
from supertickets.experiment.parts import UNLABELLED
from supertickets.experiment.task_files import hub_downloads, inputs, resolved

TASKS = yaml.safe_load(CATALOGUE.read_text())["tasks"]
COLUMNS = {"text": "a", "text_pair": "b", "target": "y"}
#: The official files, if they are in a folder beside the project.
GLUE = PROJECT.parent / "shared" / "glue"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("f.tsv", "a\tb\ty\nit's \"odd\ttwo\tyes\nthree, four\tfive\tno\n"),
        ("f.csv", 'a,b,y\n"it\'s ""odd",two,yes\n"three, four",five,no\n'),
        (
            "f.jsonl",
            '{"a": "it\'s \\"odd", "b": "two", "y": "yes", "z": 1}\n\n{"b": "five", "a": "three, four", "y": "no"}\n',
        ),
    ],
)
def test_every_form_of_file_is_read_alike(tmp_path: Path, name: str, content: str) -> None:
    table = read_rows(content.encode(), {"columns": COLUMNS}, name)
    assert table["text"].tolist() == ["it's \"odd", "three, four"]
    assert table["text_pair"].tolist() == ["two", "five"]
    assert table["target"].tolist() == ["yes", "no"]
    assert table["id"].tolist() == ["0", "1"]
    table.rename(columns={"text": "a", "text_pair": "b", "target": "y"}).to_parquet(tmp_path / "f.parquet")
    again = read_rows((tmp_path / "f.parquet").read_bytes(), {"columns": COLUMNS}, "f.parquet")
    assert again.drop(columns="line").equals(table.drop(columns="line"))


#: What a message says of a file that may not be quoted.
UNQUOTED = "; .csv is read with quotation marks, .tsv without$"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("f.tsv", "a\tb\ty\n1\t2\t3\n1\t2\n", r"f.tsv, line 3: 2 fields, expected 3: \['1', '2'\]$"),
        ("f.csv", 'a,b,y\n1,2,3\n1,"2,3\n', rf"f.csv, line 3: a quotation mark opens here and never closes{UNQUOTED}"),
        ("f.csv", 'a,b,y\n"1\n2",2,3\n1,"2"x,3\n', rf"f.csv, line 4: ',' expected after '\"'{UNQUOTED}"),
        ("f.csv", 'a,"b"x,y\n1,2,3\n', rf"f.csv, line 1: ',' expected after '\"'{UNQUOTED}"),
        ("f.csv", "a,b,y,a\n1,2,3,4\n", r"f.csv, line 1: more than one column 'a'"),
        ("f.tsv", "a\tb\ty\tb\n1\t2\t3\t4\n", r"f.tsv, line 1: more than one column 'b'"),
        ("f.csv", "", r"f.csv: holds no examples"),
        ("f.csv", "a,b,y\n1,2,3\n\n1,2,3,4\n", rf"f.csv, line 4: 4 fields, expected 3: .*{UNQUOTED}"),
        ("f.csv", "a,b\n1,2\n", r"f.csv, line 1: no column 'y'; the columns are \['a', 'b'\]"),
        ("f.jsonl", '{"a": "1", "b": "2", "y": "3"}\n{"a": 1,\n', r"f.jsonl, line 2: not JSON"),
        ("f.jsonl", '{"a": "1", "b": "2"}\n', r"f.jsonl, line 1: not an object with the key 'y'"),
        ("f.jsonl", "[1, 2]\n", r"f.jsonl, line 1: not an object with the key 'a'"),
        ("f.jsonl", '{"a": "1", "b": null, "y": "3"}\n', r"f.jsonl, line 1: b is None, not a text or a number"),
        ("f.parquet", "nothing", r"f.parquet: not a readable Parquet file"),
        ("f.tsv", "", r"f.tsv: holds no examples"),
        ("f.tsv", "a\tb\ty\r1\t2\t3\r", r"f.tsv: its lines end in carriage returns alone"),
    ],
)
def test_a_broken_row_is_named(name: str, content: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_rows(content.encode(), {"columns": COLUMNS}, name)


def test_messages_are_as_short_for_texts_of_any_length(tmp_path: Path) -> None:
    long = "a" * 200_000
    for content, columns in ((f"{long}\n1\n", {"text": "b"}), (f"a,b\n1,{long}\n1,{long}\n", {"text": "a", "id": "b"})):
        with pytest.raises(UserError) as raised:
            read_rows(content.encode(), {"columns": columns}, "f.csv")
        assert len(str(raised.value)) < 600
    table = read_rows(f"a,y\n{long},no\n".encode(), {"columns": {"text": "a", "target": "y"}}, "f.csv")
    assert table["text"].tolist() == [long]
    files = {part: str(tmp_path / "f.csv") for part in ("train", "validation")}
    definition = {"files": files, "columns": {"text": "y", "target": "a"}, "labels": ["no", "yes"]}
    (tmp_path / "f.csv").write_text(f"a,y\n{long},no\n")
    with pytest.raises(UserError, match="is not one of the labels") as raised:
        prepare_task(resolved(definition | {"type": "classification"}, "hub"), tmp_path / "task.parquet")
    assert len(str(raised.value)) < 600


def test_a_quotation_mark_that_never_closes_hides_no_rows() -> None:
    content = 'a,b,y\n1,2,3\n1,"2,3\n' + "1,2,3\n" * 100
    with pytest.raises(UserError, match=r"f.csv, line 3: a quotation mark opens here and never closes"):
        read_rows(content.encode(), {"columns": COLUMNS, "malformed": "drop"}, "f.csv")


def test_numbers_and_truth_values_of_parquet_are_texts(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": ["one", "two"], "b": [1.0, 2.5], "y": [True, False]})
    frame.to_parquet(tmp_path / "f.parquet")
    table = read_rows((tmp_path / "f.parquet").read_bytes(), {"columns": COLUMNS}, "f.parquet")
    assert table["text_pair"].tolist() == ["1", "2.5"] and table["target"].tolist() == ["true", "false"]
    twice = pa.Table.from_arrays([pa.array(["one"])] * 4, names=["a", "b", "y", "a"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(UserError, match=r"f.parquet, line 1: more than one column 'a'"):
        read_rows((tmp_path / "twice.parquet").read_bytes(), {"columns": COLUMNS}, "f.parquet")


def test_empty_lines_at_the_end_are_no_rows() -> None:
    table = read_rows(b"a\tb\ty\n1\t2\t3\n\n\n", {"columns": COLUMNS}, "f.tsv")
    assert len(table) == 1


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (4, {}, r"task.csv: no examples for the part (validation|test); there are \{"),
        (
            30,
            {"labels": ["Yes", "No"], "malformed": "drop"},
            r"the part train; there are \{\}; 30 rows are left out, the ",
        ),
        (
            30,
            {"labels": ["Yes", "No"], "malformed": "drop", "no_label": ["no"]},
            r"the part train; there are \{\}; 30 rows are left out, the first broken one is .*, line 3: 'yes' is not "
            r"one of the labels \['Yes', 'No'\]; rows whose target is in no_label, \['no'\], are left out$",
        ),
        (
            30,
            {"no_label": ["yes", "no"]},
            r"part train; there are \{\}; rows whose target is in no_label, \['yes', 'no'\]",
        ),
        (
            40,
            {"no_label": ["yes"]},
            r"for the part \w+ is \d; at least 4 are needed: .*; rows whose target is in no_label",
        ),
    ],
)
def test_a_part_without_examples_is_refused(tmp_path: Path, rows: int, changes: dict[str, Any], message: str) -> None:
    lines = ["a,y", *(f"sentence {index},{['no', 'yes'][index % 2]}" for index in range(rows))]
    (tmp_path / "task.csv").write_text("\n".join(lines))
    definition = {
        "path": str(tmp_path / "task.csv"), "columns": {"text": "a", "target": "y"}, "type": "classification",
        "labels": ["no", "yes"], "split": {"seed": 0, "validation": 0.1, "test": 0.2, "group_separator": ""},
    }  # fmt: skip
    with pytest.raises(UserError, match=message):
        prepare_task(resolved(definition | changes, "hub"), tmp_path / "task.parquet")
    assert not (tmp_path / "task.parquet").exists()


def test_broken_rows_may_be_left_out_and_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = ["a\tb\ty", "one\ttwo\tyes", "one\ttwo", "\ttwo\tno", "one\ttwo\tperhaps", "one\ttwo\t-", "three\tfour\tno"]
    lines += ["five\tsix\tyes"] * (FEWEST - 2)
    for part in ("train", "dev"):
        (tmp_path / f"{part}.tsv").write_text("\n".join(lines))
    definition = {
        "files": {"train": str(tmp_path / "train.tsv"), "validation": str(tmp_path / "dev.tsv")},
        "columns": COLUMNS, "type": "classification", "labels": ["no", "yes"], "no_label": ["-"], "malformed": "drop",
    }  # fmt: skip
    with caplog.at_level("INFO"):
        prepare_task(resolved(definition, "hub"), tmp_path / "task.parquet")
    table = pd.read_parquet(tmp_path / "task.parquet")
    assert table["split"].value_counts().to_dict() == {"train": FEWEST, "validation": FEWEST}
    assert pq.read_schema(tmp_path / "task.parquet").metadata[b"dropped"] == b"8"
    for message in ("1 broken rows are left out, the first in line 3", "2 broken rows", "1 rows without a label"):
        assert message in caplog.text
    with pytest.raises(UserError, match=r"train.tsv, line 3: 2 fields, expected 3"):
        prepare_task(resolved(definition | {"malformed": "error"}, "hub"), tmp_path / "other.parquet")


#: A line of each labelled official file, and of the unlabelled one, with headers where they have one.
OFFICIAL = {
    "cola": ("", "gj04\t1\t\tOne.\n", "index\tsentence\n", "0\tTwo.\n"),
    "sst2": ("sentence\tlabel\n", "one\t1\n", "index\tsentence\n", "0\ttwo\n"),
    "mrpc": (
        "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n", "1\t7\t8\tone\tother\n",
        "\ufeffindex\t#1 ID\t#2 ID\t#1 String\t#2 String\n", "0\t7\t8\tone\tother\n",
    ),
    "qqp": (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n", "5\t1\t2\tone\tother\t1\n9\t1\t2\tbroken\n",
        "id\tquestion1\tquestion2\n", "0\tone\tother\n",
    ),
    "stsb": (
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n",
        "0\tg\tf\ty\t1\ts\ts\tone\tother\t2.500\n",
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\n",
        "0\tg\tf\ty\t1\ts\ts\tone\tother\n",
    ),
    "mnli": (
        "index\tgenre\tsentence1\tsentence2\tlabel1\tgold_label\n", "0\tg\tone\tother\tneutral\tentailment\n",
        "index\tgenre\tsentence1\tsentence2\n", "0\tg\tone\tother\n",
    ),
    "qnli": (
        "index\tquestion\tsentence\tlabel\n", "0\tone\tother\tentailment\n",
        "index\tquestion\tsentence\n", "0\tone\tother\n",
    ),
    "rte": (
        "index\tsentence1\tsentence2\tlabel\n", "0\tone\tother\tentailment\n",
        "index\tsentence1\tsentence2\n", "0\tone\tother\n",
    ),
    "wnli": (
        "index\tsentence1\tsentence2\tlabel\n", "0\tone\tother\t1\n",
        "index\tsentence1\tsentence2\n", "0\tone\tother\n",
    ),
    "snli": ("gold_label\tsentence1\tsentence2\n", "entailment\tone\tother\n-\tone\tother\n", "", ""),
    "scitail": ("", "one\tother\tentails\n", "", ""),
}  # fmt: skip


@pytest.mark.parametrize("task", OFFICIAL)
def test_the_official_files_are_read(tmp_path: Path, task: str) -> None:
    header, line, unlabelled_header, unlabelled = OFFICIAL[task]
    for part, file in TASKS[task]["glue"]["parts"].items():
        name = file["file"] if isinstance(file, dict) else file
        path = tmp_path / TASKS[task]["glue"]["folder"] / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(unlabelled_header + unlabelled if part in UNLABELLED else header + line * FEWEST)
    prepare_task(resolved(TASKS[task], str(tmp_path)), tmp_path / "task.parquet")
    table = pd.read_parquet(tmp_path / "task.parquet")
    assert set(table["split"]) == set(TASKS[task]["glue"]["parts"])
    labelled = table[table["label"].notna()]
    regression = TASKS[task]["type"] == "regression"
    first = ("entailment", "entails")
    expected = 2.5 if regression else 0 if any(label in first for label in TASKS[task]["labels"]) else 1
    assert (labelled["label"] == expected).all()
    assert set(table["text"].str.lower().str.strip(".")) <= {"one", "two"}
    assert table["text_pair"].isna().all() if task in ("cola", "sst2") else (table["text_pair"] == "other").all()
    for part, ids in table.groupby("split")["id"]:
        rows = unlabelled.splitlines() if part in UNLABELLED else (line * FEWEST).splitlines()
        assert set(ids) == {str(row) for row, text in enumerate(rows) if "broken" not in text and text[0] != "-"}
    assert set(table.loc[table["label"].isna(), "split"]) == {
        p for p in TASKS[task]["glue"]["parts"] if "unl" in p or p == "ax"
    }


def test_unlabelled_files_may_be_absent(tmp_path: Path) -> None:
    folder = tmp_path / "RTE"
    folder.mkdir()
    for name in ("train", "dev"):
        (folder / f"{name}.tsv").write_text(OFFICIAL["rte"][0] + OFFICIAL["rte"][1] * FEWEST)
    prepare_task(resolved(TASKS["rte"], str(tmp_path)), tmp_path / "task.parquet")
    assert set(pd.read_parquet(tmp_path / "task.parquet")["split"]) == {"train", "validation"}


# The files may not be part of the project. OFFICIAL has their formats and is always tested.
@pytest.mark.skipif(not GLUE.is_dir(), reason="the official GLUE files are not beside the project")
@pytest.mark.parametrize("task", ["cola", "mrpc", "rte", "stsb"])
def test_the_real_files_have_the_published_sizes(tmp_path: Path, task: str) -> None:
    prepare_task(resolved(TASKS[task], str(GLUE)), tmp_path / "task.parquet")
    found = pd.read_parquet(tmp_path / "task.parquet")["split"].value_counts().to_dict()
    unlabelled = {"cola": 1063, "mrpc": 1725, "rte": 3000, "stsb": 1379}[task]
    sizes = {part: size for part, size in TASKS[task]["sizes"].items() if size}
    assert found == sizes | {"test_unlabelled": unlabelled}
    assert pq.read_schema(tmp_path / "task.parquet").metadata[b"dropped"] == b"0"


@pytest.mark.parametrize("task", OFFICIAL)
def test_the_hub_says_the_same_as_the_official_files(
    tmp_path: Path, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hub = TASKS[task]["hub"]
    columns = hub["columns"]
    for folder, download in hub_downloads({task: TASKS[task]}).items():
        for split in download["splits"]:
            path = Path(folder) / f"{split}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            names = hub.get("labels", TASKS[task].get("labels"))
            target: Any = 2.5 if TASKS[task]["type"] == "regression" else 0 if hub.get("numbered") else names[0]
            row = {
                columns["text"]: ["one"],
                columns["target"]: [-1 if "test" in split and "test" not in hub["parts"] else target],
                "idx": [0],
            }
            if "text_pair" in columns:
                row[columns["text_pair"]] = ["other"]
            pd.concat([pd.DataFrame(row).assign(idx=number) for number in range(FEWEST)]).to_parquet(path)
    prepare_task(resolved(TASKS[task], "hub"), tmp_path / "task.parquet")
    table = pd.read_parquet(tmp_path / "task.parquet")
    assert set(table["split"]) == set(hub["parts"])
    assert set(table["label"].dropna()) == {2.5 if TASKS[task]["type"] == "regression" else 0}
    assert all(Path(folder).is_dir() for folder in inputs(TASKS[task], "hub"))


def test_pairs_are_tokenised_as_pairs_and_unlabelled_examples_are_not(tmp_path: Path, tiny: Path) -> None:
    table = pd.DataFrame(
        {
            "id": ["0", "1", "0"],
            "split": ["train", "train", "test_unlabelled"],
            "text": ["good film", "bad", "fine"],
            "text_pair": ["a very bad book", "good", "fine"],
            "label": [0.0, 1.0, float("nan")],
        }
    )
    table.to_parquet(tmp_path / "task.parquet")
    tokenise(tiny, tmp_path / "task.parquet", 8, tmp_path / "encoded.parquet")
    data = Encoded.read(tmp_path / "encoded.parquet")
    assert data.ids == ["0", "1"] and data.lengths.tolist() == [8, 5]
    assert data.types.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1]
    assert json.loads((tiny / "config.json").read_text())["max_position_embeddings"] == 32

"""Reading, labelling and splitting of examples, subsets, tokenised tasks and batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TOY, toy, write_tiny_task
from hypothesis import given
from hypothesis import strategies as st

from supertickets.data.subset import stratified, subsample
from supertickets.data.task import labelled, prepare_task, read_rows, split
from supertickets.encoder.batches import batch_of, sorted_batches, training_batches
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.tokenise import tokenise
from supertickets.engine.device import Compute
from supertickets.errors import UserError

RATED = {
    "delimiter": "\t",
    "fields": 3,
    "columns": {"id": 0, "target": 1, "text": 2},
    "type": "classification",
    "labels": ["negative", "positive"],
    "threshold": 0,
    "split": {"seed": 1, "validation": 0.2, "test": 0.3, "group_separator": "_"},
}


def test_a_threshold_makes_two_classes_and_leaves_out_what_lies_on_it() -> None:
    rows = read_rows(b'1_1\t-0.5\tbad\r\n1_2\t0\tso\r\n2_1\t1e-3\tgood "quoted\r\n', RATED, "f")
    table = labelled(rows, RATED, "f")
    assert table["label"].tolist() == [0, 1]
    assert table["text"].tolist() == ["bad", 'good "quoted']
    ratings = labelled(rows, {"type": "regression"}, "f")
    assert ratings["label"].tolist() == [-0.5, 0, 0.001]


@pytest.mark.parametrize(
    ("content", "definition", "message"),
    [
        (b"1\t0.5\tfine\n2\t0.5\n", RATED, "f, line 2: 2 fields, expected 3"),
        (b"1\t0.5\tfine\n2\tmany\tgood\n", RATED, "f, line 2: 'many' is not a number"),
        (b"1\t0.5\tfine\n2\t-1e39\tgood\n", RATED, r"f, line 2: '-1e39' is not a number from -1e\+18 to 1e\+18"),
        (b"1\t0.5\tfine\n2\tnan\tgood\n", RATED, "f, line 2: 'nan' is not a number"),
        (b"1\t0.5\tfine\n2\t1\t \n", RATED, "f, line 2: the text is empty"),
        (b"1\t0.5\tfine\n1\t1\tgood\n", RATED, "f, line 2: id '1' occurs a second time"),
        (b"1\t0.5\tfine\n2\t1\t\xff\n", RATED, "f, line 2: not UTF-8"),
        (b"id\tlabel\ttext\n", TOY, "f: holds no examples"),
        (b"id\tlabel\n1\tyes\n", TOY, "f, line 1: no column 'text'"),
        (b"id\tlabel\ttext\n1\tyes\tfine\n2\tperhaps\tgood\n", TOY, "f, line 3: 'perhaps' is not one of the labels"),
    ],
)
def test_a_broken_line_is_named(content: bytes, definition: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        labelled(read_rows(content, definition, "f"), definition, "f")


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet"])
def test_texts_are_texts_in_every_form_of_file(form: str) -> None:
    texts = ["NA", "null", "None", "nan", "N/A", "<NA>", "007", "1e5", "True"]
    table = pd.DataFrame({"text": texts, "label": ["no", "yes", "NA"] * 3})
    if form == "jsonl":
        content = table.to_json(orient="records", lines=True).encode()
    elif form == "parquet":
        content = table.to_parquet(index=False)
    else:
        content = table.to_csv(index=False, sep={"csv": ",", "tsv": "\t"}[form]).encode()
    definition = {"columns": {"text": "text", "target": "label"}, "type": "classification"}
    rows = labelled(read_rows(content, definition, f"f.{form}"), definition | {"labels": ["no", "yes", "NA"]}, "f")
    assert rows["text"].tolist() == texts and rows["label"].tolist() == [0, 1, 2] * 3


def test_parts_are_fixed_and_share_neither_document_nor_sentence() -> None:
    ids = [f"{document}_{sentence}" for document in range(200) for sentence in range(3)]
    table = pd.DataFrame({"id": ids, "text": [f"text {identity}" for identity in ids]})
    table.loc[599, "text"] = table.loc[0, "text"]
    parts = split(table, RATED["split"])
    again = split(table, RATED["split"])
    other = split(table, RATED["split"] | {"seed": 2})
    assert parts.equals(again) and not parts.equals(other)
    documents = parts.iloc[:597].groupby(table["id"].str.split("_").str[0]).nunique()
    assert documents.max() == 1
    assert parts[0] == parts[599]
    shares = parts.value_counts(normalize=True)
    assert shares["test"] == pytest.approx(0.3, abs=0.01) and shares["validation"] == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("separator", ["$$", "._", "..", "**", "((", "::", "|"])
def test_what_separates_documents_is_no_pattern(separator: str) -> None:
    ids = [f"{document}{separator}{sentence}{separator}x" for document in range(40) for sentence in range(3)]
    table = pd.DataFrame({"id": ids, "text": [f"text {identity}" for identity in ids]})
    parts = split(table, RATED["split"] | {"group_separator": separator})
    assert parts.groupby(table.index // 3).nunique().max() == 1
    assert parts.value_counts().to_dict() == {"train": 60, "test": 36, "validation": 24}


@pytest.mark.parametrize(("examples", "validation"), [(6, 1), (15, 3)])
def test_a_part_that_is_too_small_to_be_judged_is_refused(tmp_path: Path, examples: int, validation: int) -> None:
    write_tiny_task(tmp_path / "toy.tsv", examples)
    with pytest.raises(UserError, match=rf"toy.tsv: .* for the part validation is {validation}; at least 4 are needed"):
        prepare_task(toy(tmp_path / "toy.tsv"), tmp_path / "toy.parquet")
    assert not (tmp_path / "toy.parquet").exists()


def test_a_task_file_has_every_example_once_and_checks_pinned_sizes(tmp_path: Path) -> None:
    write_tiny_task(tmp_path / "toy.tsv", 100)
    prepare_task(toy(tmp_path / "toy.tsv"), tmp_path / "toy.parquet")
    table = pd.read_parquet(tmp_path / "toy.parquet")
    assert sorted(table["id"]) == sorted(f"s{index}" for index in range(100))
    assert table["split"].value_counts().to_dict() == {"train": 60, "validation": 20, "test": 20}
    assert (table["label"] == table["id"].str[1:].astype(int) % 2).all()
    assert table["id"].tolist() != sorted(table["id"])  # so that the first n of a part are a random sample
    with pytest.raises(UserError, match="the catalogue says"):
        sizes = {"train": 61, "validation": 20, "test": 19}
        prepare_task(toy(tmp_path / "toy.tsv", sizes=sizes), tmp_path / "other.parquet")
    assert not (tmp_path / "other.parquet").exists()


def test_subsets_are_nested_random_and_of_the_training_part(tmp_path: Path) -> None:
    write_tiny_task(tmp_path / "toy.tsv", 100)
    prepare_task(toy(tmp_path / "toy.tsv"), tmp_path / "toy.parquet")

    def rows(size: str, seed: int, stratify: int = 0) -> list[int]:
        subsample(tmp_path / "toy.parquet", size, seed, stratify, tmp_path / "subset.json")
        return json.loads((tmp_path / "subset.json").read_text())["rows"]

    parts = pd.read_parquet(tmp_path / "toy.parquet")["split"]
    small, large, everything = rows("10", 1), rows("30", 1), rows("all", 1)
    assert set(small) < set(large) < set(everything) and len(everything) == 60
    assert set(parts[everything]) == {"train"}
    assert small == rows("10", 1) and small != rows("10", 2)
    assert rows("0.5", 1) == large and len(rows("0.001", 1)) == 1
    with pytest.raises(UserError, match="has 60 training examples"):
        rows("61", 1)
    table = pd.read_parquet(tmp_path / "toy.parquet")
    small, large = rows("11", 1, stratify=1), rows("30", 1, stratify=1)
    assert large[:11] == small and sorted(rows("all", 1, stratify=1)) == sorted(everything)
    assert abs(table["label"][small].mean() - table["label"][everything].mean()) <= 1 / 11
    assert small != rows("11", 2, stratify=1)


@given(st.lists(st.integers(1, 40), min_size=2, max_size=5), st.integers(0, 99))
def test_every_stratified_prefix_holds_the_classes_in_proportion(counts: list[int], seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    order = stratified(labels)
    assert sorted(order) == list(range(len(labels)))
    held = np.cumsum(labels[order][:, None] == np.arange(len(counts)), axis=0)
    due = np.arange(1, len(labels) + 1)[:, None] * np.array(counts) / len(labels)
    assert abs(held - due).max() <= (1 if len(counts) == 2 else len(counts) / 2 + 1)


def test_encoding_keeps_the_order_and_cuts_long_texts(tmp_path: Path, tiny: Path) -> None:
    table = pd.DataFrame(
        {
            "id": ["b", "a"],
            "split": ["train", "test"],
            "text": ["good film", "a very very bad book"],
            "text_pair": [None, None],
            "label": [1.0, 0.0],
        }
    )
    table.to_parquet(tmp_path / "toy.parquet")
    tokenise(tiny, tmp_path / "toy.parquet", 5, tmp_path / "encoded.parquet")
    data = Encoded.read(tmp_path / "encoded.parquet")
    assert data.ids == ["b", "a"] and data.labels.tolist() == [1, 0]
    assert data.lengths.tolist() == [4, 5]  # [CLS] and [SEP] included; the second text is cut
    assert data.tokens[:4].tolist() == [2, 4, 10, 3]
    assert (data.first("test", None).tolist(), data.first("test", 0).tolist()) == ([1], [])
    batch = batch_of(data, np.array([1, 0]), pad=0, compute=Compute(torch.device("cpu"), "fp32"))
    assert batch.input_ids.tolist() == [[*data.tokens[4:], *data.tokens[:4], 0]]  # a null token ends each batch
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 4, 0, 1, 2, 3, 0]]
    assert batch.packing.starts.tolist() == [0, 5] and batch.labels.tolist() == [0, 1]
    assert batch.packing.shapes == [(2, 5)] and batch.packing.order.tolist() == [0, 1]
    assert batch.packing.padded.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    with pytest.raises(UserError, match="max_length is 40: pretrained takes at most 32 tokens"):
        tokenise(tiny, tmp_path / "toy.parquet", 40, tmp_path / "other.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"broken.parquet: not an encoded task"):
        Encoded.read(tmp_path / "broken.parquet")


def test_batches_hold_every_row_once_whatever_its_length() -> None:
    random = np.random.default_rng(0)
    rows, lengths = np.arange(100, 350), random.integers(3, 60, size=250)
    epoch = training_batches(rows, 16, np.random.default_rng(1))
    other = training_batches(rows, 16, np.random.default_rng(2))
    assert sorted(np.concatenate(epoch)) == rows.tolist()
    assert [batch.tolist() for batch in epoch] != [batch.tolist() for batch in other]
    assert len(epoch) == 16 and max(map(len, epoch)) == 16
    # Batches sorted by length would each hold examples of one kind in a small training set.
    spread = np.mean([lengths[batch - 100].std() for batch in epoch])
    assert spread > 0.85 * lengths.std()
    assert sorted(np.concatenate(sorted_batches(rows, lengths, 64))) == rows.tolist()

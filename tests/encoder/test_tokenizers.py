"""Tokenizers whose files disagree with each other or with the encoder, and those that transformers makes others of."""

from __future__ import annotations

import json
import logging
import re
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import SPECIAL, WORDS, write_tiny_model

from supertickets.encoder.encoded import Encoded
from supertickets.encoder.tokenise import tokenise
from supertickets.errors import UserError
from supertickets.experiment.missing_files import SAVE_TOKENIZER

TEXTS = ["good Film", "bad book", "The book was good"]
NORMAL = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None}


def model(folder: Path, tokenizer: dict[str, Any], settings: dict[str, Any], **config: Any) -> Path:
    """The tiny encoder with other keys in its files; None takes a key out."""
    write_tiny_model(folder)
    for name, changes in (("tokenizer.json", tokenizer), ("tokenizer_config.json", settings), ("config.json", config)):
        content = json.loads((folder / name).read_text()) | changes
        kept = {key: value for key, value in content.items() if value is not None or key in ("post_processor",)}
        (folder / name).write_text(json.dumps(kept))
    return folder


def wordpiece(lowercase: bool, **changes: Any) -> dict[str, Any]:
    """The tokenizer.json of a BERT tokenizer of the tiny vocabulary, as transformers writes it."""
    vocabulary = {word: index for index, word in enumerate(SPECIAL + WORDS)}
    pieces = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "vocab": vocabulary}
    return {
        "model": pieces | {"max_input_chars_per_word": 100},
        "normalizer": NORMAL | {"lowercase": lowercase},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
    } | changes


BERT = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}


def tokens_of(folder: Path, pairs: bool = False) -> Encoded:
    """The three texts, tokenised."""
    seconds = pa.array([*TEXTS[1:], TEXTS[0]] if pairs else [None] * 3, pa.string())
    columns = {"id": ["1", "2", "3"], "split": ["train"] * 3, "text": TEXTS, "text_pair": seconds, "label": [0.0] * 3}
    pq.write_table(pa.table(columns), folder / "task.parquet")
    tokenise(folder, folder / "task.parquet", 16, folder / "encoded.parquet")
    return Encoded.read(folder / "encoded.parquet")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.startswith("supertickets")
    ]


@pytest.mark.parametrize("pairs", [False, True])
def test_of_a_tokenizer_as_transformers_has_it_nothing_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, pairs: bool
) -> None:
    caplog.set_level(logging.INFO)
    data = tokens_of(model(tmp_path, wordpiece(True), BERT), pairs)
    assert not warnings(caplog)
    assert "0 tokens (0.0%) are not in the vocabulary" in caplog.text
    assert set(data.types) == ({0, 1} if pairs else {0})


NO_MARKS = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}


@pytest.mark.parametrize("processor", [None, NO_MARKS])
def test_a_tokenizer_without_the_marks_that_its_class_adds_is_refused_with_what_to_run(
    tmp_path: Path, processor: dict[str, Any] | None
) -> None:
    folder = model(tmp_path, wordpiece(True, post_processor=processor), BERT)
    message = (
        "adds 0 special tokens to an example, and BertTokenizer of tokenizer_config.json 2; where the class is right"
    )
    with pytest.raises(UserError, match=message) as raised:
        tokens_of(folder)
    assert not (tmp_path / "encoded.parquet").exists()
    assert SAVE_TOKENIZER in str(raised.value)
    if processor is not None:
        return
    subprocess.run(SAVE_TOKENIZER, shell=True, cwd=folder, check=True)
    data = tokens_of(folder)
    assert {int(data.tokens[place]) for place in data.offsets[:-1]} == {SPECIAL.index("[CLS]")}


def test_a_tokenizer_that_names_a_first_token_and_adds_none_is_refused(tmp_path: Path) -> None:
    folder = model(tmp_path, {"post_processor": None}, {})
    with pytest.raises(UserError, match=r"names the cls_token '\[CLS\]', which tokenizer.json does not add to texts"):
        tokens_of(folder)
    # An encoder that was trained without it names none.
    data = tokens_of(model(tmp_path, {"post_processor": None}, {"cls_token": None, "sep_token": None}))
    assert data.lengths.tolist() == [2, 2, 4]


@pytest.mark.parametrize(
    ("tokenizer", "settings", "example"),
    [
        (wordpiece(False), BERT, "'Good Film': .*[2, 4, 10, 3].*, not .*[2, 1, 1, 3]"),
        (wordpiece(True), BERT | {"do_lower_case": False}, "'Good Film': .*[2, 1, 1, 3].*, not .*[2, 4, 10, 3]"),
        (wordpiece(True, pre_tokenizer={"type": "WhitespaceSplit"}), BERT, "BertTokenizer makes other tokens"),
        ({}, {"tokenizer_class": "RobertaTokenizer"}, "RobertaTokenizer makes other tokens"),
    ],
)
def test_tokens_that_transformers_makes_otherwise_are_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tokenizer: dict[str, Any], settings: dict[str, Any], example: str
) -> None:
    folder = model(tmp_path, tokenizer, settings)
    tokens_of(folder)
    told = warnings(caplog)[0]
    assert re.search(re.escape(example).replace(r"\.\*", ".*").replace(r"\ ", " "), told), told
    assert 'write "tokenizer_class": "PreTrainedTokenizerFast" in tokenizer_config.json' in told
    caplog.clear()
    tokens_of(model(tmp_path, tokenizer, settings | {"tokenizer_class": "PreTrainedTokenizerFast"}))
    assert not any("makes other tokens" in line for line in warnings(caplog))


def test_a_tokenizer_with_code_of_its_own_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokens_of(model(tmp_path, {}, {"auto_map": {"AutoTokenizer": ["tokenization_x.X", None]}, "tokenizer_class": "X"}))
    assert "tokenizer_config.json names custom code (auto_map), which is not run" in warnings(caplog)


def test_a_tokenizer_that_transformers_does_not_make_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokens_of(model(tmp_path, {}, {"tokenizer_class": 5}))
    assert re.search(r"AutoTokenizer of transformers makes no tokenizer \(.*; tokens are those of", warnings(caplog)[0])


def test_the_share_of_tokens_that_are_not_in_the_vocabulary_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tokens_of(model(tmp_path, wordpiece(False), BERT | {"unk_token": None}))
    assert "2 tokens (25.0%) are not in the vocabulary" in caplog.text
    assert any(line.startswith("more than 5% of the tokens are not in the vocabulary") for line in warnings(caplog))


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_an_encoder_of_one_token_type_takes_zeros(tmp_path: Path, family: str) -> None:
    folder = model(tmp_path, wordpiece(True), BERT, type_vocab_size=1, model_type=family)
    data = tokens_of(folder, pairs=True)
    assert not data.types.any() and data.lengths.tolist() == [7, 9, 9]


def test_token_types_that_transformers_leaves_out_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = {"model_input_names": ["input_ids", "attention_mask"]}
    folder = model(tmp_path, wordpiece(True), BERT | names)
    tokens_of(folder)
    assert not warnings(caplog)
    assert set(tokens_of(folder, pairs=True).types) == {0, 1}
    assert "other tokens (or token types)" in warnings(caplog)[0]

"""Damaged and hostile encoders and tokenizers: a clear error or a right result, and nothing half-written."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import TINY, toy, write_tiny_task
from families import FAMILIES, write_family
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save
from test_hostile import changed, damaged, values
from tiny_runs import encoded
from tokenizers import Tokenizer

from supertickets.data.task import prepare_task
from supertickets.encoder.model import build
from supertickets.encoder.pretrained import prepare_model
from supertickets.encoder.rewind import read_arrays
from supertickets.encoder.tokenise import tokenise
from supertickets.encoder.weights import read_weights
from supertickets.errors import UserError

__all__ = ["encoded"]  # the fixture


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a tiny model."""
    from conftest import write_tiny_model

    folder = tmp_path_factory.mktemp("model")
    write_tiny_model(folder, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def prepared(tmp_path: Path, files: dict[str, bytes]) -> None:
    """Bring a model of these files into the project's form; an error says what is wrong with which of them."""
    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    for name, content in files.items():
        (source / name).write_bytes(content)
    with suppress(UserError):
        prepare_model(source / "config.json", {"path": str(source)}, tmp_path / "pretrained")


@given(data=st.data())
def test_damaged_weights(tmp_path: Path, model: dict[str, bytes], data: st.DataObject) -> None:
    content = data.draw(damaged(model["model.safetensors"]) | damaged(model["model.safetensors"][:400]))
    prepared(tmp_path, model | {"model.safetensors": content})
    path = tmp_path / "source/model.safetensors"
    for read in (read_weights, read_arrays):
        with suppress(UserError):
            read(path)


@given(data=st.data())
def test_configs_of_models_of_anything(tmp_path: Path, model: dict[str, bytes], data: st.DataObject) -> None:
    content = data.draw(changed(json.loads(model["config.json"])) | values)
    prepared(tmp_path, model | {"config.json": json.dumps(content).encode()})


@pytest.mark.parametrize("key", ["hidden_size", "intermediate_size", "vocab_size", "num_hidden_layers"])
@pytest.mark.parametrize("value", [10**12, 0, -1, 7])
def test_sizes_are_those_of_the_weights(tmp_path: Path, model: dict[str, bytes], key: str, value: int) -> None:
    source = tmp_path / "source"
    source.mkdir()
    files = model | {"config.json": json.dumps(json.loads(model["config.json"]) | {key: value}).encode()}
    for name, content in files.items():
        (source / name).write_bytes(content)
    with pytest.raises(UserError, match=r"config.json"):
        prepare_model(source / "config.json", {"path": str(source)}, tmp_path / "pretrained")
    assert not (tmp_path / "pretrained").exists()


@pytest.mark.parametrize(
    "config",
    [
        TINY | {"hidden_dropout_prob": 5},
        TINY | {"hidden_act": "nope"},
        TINY | {"pad_token_id": 10**9},
        FAMILIES["deberta-plain"] | {"conv_act": "nope"},
    ],
)
def test_encoders_that_transformers_does_not_make(config: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"config.json: transformers makes no encoder of it \("):
        build(config, None, 2, 0.1)


def test_classes_that_a_head_has_had_are_left_out(tmp_path: Path, model: dict[str, bytes]) -> None:
    content = json.loads(model["config.json"]) | {"num_labels": 10**9, "id2label": 5}
    prepared(tmp_path, model | {"config.json": json.dumps(content).encode()})
    assert not {"num_labels", "id2label"} & json.loads((tmp_path / "pretrained/config.json").read_text()).keys()


@pytest.mark.parametrize("content", ["{}", "garbage", "[]"])
def test_tokenizers_that_are_none(tmp_path: Path, model: dict[str, bytes], content: str) -> None:
    prepared(tmp_path, model | {"tokenizer.json": content.encode()})
    write_tiny_task(tmp_path / "toy.tsv", 20)
    prepare_task(toy(tmp_path / "toy.tsv"), tmp_path / "task.parquet")
    with pytest.raises(UserError, match=r"pretrained: tokenizer.json and tokenizer_config.json make no tokenizer"):
        tokenise(tmp_path / "pretrained", tmp_path / "task.parquet", 16, tmp_path / "encoded.parquet")
    assert not (tmp_path / "encoded.parquet").exists()


def source(tiny: Path, folder: Path, **changes: Any) -> Path:
    """The tiny model as a user's own, with another config."""
    folder.mkdir()
    for path in tiny.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = json.loads((tiny / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | changes))
    return folder / "config.json"


def test_how_others_call_an_encoder_is_left_out(tiny: Path, tmp_path: Path) -> None:
    changes = {"return_dict": False, "chunk_size_feed_forward": 7, "pad_token_id": None, "output_attentions": True}
    path = source(tiny, tmp_path / "source", **changes)
    prepare_model(path, {"path": str(path.parent)}, tmp_path / "pretrained")
    assert not changes.keys() & json.loads((tmp_path / "pretrained/config.json").read_text()).keys()


@pytest.mark.parametrize("types", [5, ["full_attention"], "x"])
def test_a_kind_of_attention_for_other_layers_than_there_are(tiny: Path, tmp_path: Path, types: object) -> None:
    path = source(tiny, tmp_path / "source", layer_types=types)
    with pytest.raises(UserError, match=r"config.json: layer_types is .*; one for each of 3 layers is needed"):
        prepare_model(path, {"path": str(path.parent), "layers": 2}, tmp_path / "pretrained")
    assert not (tmp_path / "pretrained").exists()


def test_a_config_with_not_a_number(tiny: Path, tmp_path: Path) -> None:
    path = source(tiny, tmp_path / "source", hidden_dropout_prob=float("nan"))
    with pytest.raises(UserError, match=r"config.json is not valid JSON \(it holds NaN"):
        prepare_model(path, {"path": str(path.parent)}, tmp_path / "pretrained")
    assert not (tmp_path / "pretrained").exists()


def test_a_layer_whose_number_is_none(tmp_path: Path, model: dict[str, bytes]) -> None:
    tensors = load(model["model.safetensors"])
    name = next(name for name in tensors if ".layer.0." in name)
    tensors[name.replace(".0.", f".{'1' * 5000}.")] = tensors[name]
    for file, content in (model | {"model.safetensors": save(tensors)}).items():
        (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError, match=r"config.json says 1 layers, model.safetensors has layers \[0, 1111"):
        prepare_model(tmp_path / "config.json", {"path": str(tmp_path), "layers": 1}, tmp_path / "pretrained")


def test_tokens_that_the_encoder_has_no_embedding_of(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    folder = source(tiny, tmp_path / "pretrained", vocab_size=10).parent
    with pytest.raises(UserError, match=r"tokenizer.json makes input_ids up to \d+, the encoder's end at 9"):
        tokenise(folder, encoded / "toy.parquet", 16, tmp_path / "encoded.parquet")
    assert not (tmp_path / "encoded.parquet").exists()


def test_a_config_that_transformers_does_not_read(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    folder = source(tiny, tmp_path / "pretrained", hidden_act=-1).parent
    with pytest.raises(UserError, match=r"config.json: transformers makes no config of it"):
        tokenise(folder, encoded / "toy.parquet", 16, tmp_path / "encoded.parquet")


@pytest.mark.parametrize("change", [{"tokenizer_class": "RobertaTokenizer"}, {"do_lower_case": True}, {}])
def test_the_tokens_are_those_of_the_tokenizer_as_it_is(tiny: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    folder = source(tiny, tmp_path / "pretrained").parent
    content = json.loads((folder / "tokenizer.json").read_text())
    content |= {"normalizer": None, "pre_tokenizer": {"type": "WhitespaceSplit"}}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | change))
    texts = ["good Film", "a film, good", "BAD film"]
    columns = {"id": ["1", "2", "3"], "split": ["train"] * 3, "text": texts, "label": [0.0] * 3}
    table = pa.table(columns | {"text_pair": pa.array([None] * 3, pa.string())})
    pq.write_table(table, tmp_path / "task.parquet")
    tokenise(folder, tmp_path / "task.parquet", 16, tmp_path / "encoded.parquet")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found = pq.read_table(tmp_path / "encoded.parquet")["input_ids"].to_pylist()
    assert found == [tokenizer.encode(text).ids for text in texts]


QUERY = "bert.encoder.layer.0.attention.self.query"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({f"{QUERY}.bias": None}, r"attention.self.query.bias has the shape None in layer 0, and \(32,\) in the last"),
        ({f"{QUERY}.bias": np.float32(0)}, r"attention.self.query.bias has the shape \(\) in layer 0"),
        ({f"{QUERY}.weight": np.zeros((32, 16), "f4")}, r"query.weight has the shape \(32, 16\) in layer 0"),
        ({f"{QUERY}.weight": np.zeros((32, 32), "i8")}, r"query.weight has the shape None in layer 0"),
        ({f"{QUERY}.weight": np.full((32, 32), np.nan, "f4")}, "query.weight holds numbers that are not finite"),
        ({f"{QUERY}.weight": np.full((32, 32), 1e300)}, "query.weight holds numbers that are not finite in float32"),
    ],
)
def test_weights_of_no_encoder(tiny: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = source(tiny, tmp_path / "source")
    tensors = load((path.parent / "model.safetensors").read_bytes()) | change
    kept = {name: np.asarray(tensor) for name, tensor in tensors.items() if tensor is not None}
    (path.parent / "model.safetensors").write_bytes(save(kept))
    with pytest.raises(UserError, match=rf"model.safetensors: .*{message}"):
        prepare_model(path, {"path": str(path.parent)}, tmp_path / "pretrained")
    assert not (tmp_path / "pretrained").exists()


def header(dtype: str, size: int) -> bytes:
    """The beginning of a weight file with one tensor."""
    said = json.dumps({"a": {"dtype": dtype, "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(said).to_bytes(8, "little") + said


@pytest.mark.parametrize(
    ("content", "size", "message"),
    [
        (b"", 64 * 2**30, r"model.safetensors: it has 68,719,476,736 bytes; at most 17,179,869,184 are read"),
        (header("U8", 2**36), 0, r"model.safetensors: it has 68,719,476,\d+ bytes; at most 17,179,869,184 are read"),
        (b"", 8 * 2**30, r"model.safetensors is not a readable safetensors file"),
        (header("U8", 2**32), -1, r"model.safetensors is not a readable safetensors file"),
        (header("U8", 2**32), 1, r"model.safetensors is not a readable safetensors file"),
        (header("F8_E4M3", 4), 0, r"model.safetensors has an unsupported number type \(.*; save it in float"),
    ],
)
def test_weights_that_are_not_as_large_as_they_say(
    tmp_path: Path, model: dict[str, bytes], content: bytes, size: int, message: str
) -> None:
    """``size`` is that of the file, or, where the header says one, what there is beyond it."""
    source = tmp_path / "source"
    source.mkdir()
    for name, good in (model | {"model.safetensors": content}).items():
        (source / name).write_bytes(good)
    if content:
        tensor = json.loads(content[8:])["a"]
        size += len(content) + tensor["data_offsets"][1]
    os.truncate(source / "model.safetensors", size)
    with pytest.raises(UserError, match=message):
        prepare_model(source / "config.json", {"path": str(source)}, tmp_path / "pretrained")
    assert not (tmp_path / "pretrained").exists()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_pipes_are_no_files_of_a_model(tmp_path: Path, model: dict[str, bytes], name: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for other in model.keys() - {name}:
        (source / other).write_bytes(model[other])
    os.mkfifo(source / name)
    with pytest.raises(UserError, match=f"{name}: it is not a regular file"):
        prepare_model(source / "config.json", {"path": str(source)}, tmp_path / "pretrained")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "[UNK]"}, "added_tokens": []},
            r"tokenizer.json and tokenizer_config.json make no tokens of .*toy.parquet \(Exception: WordLevel error",
        ),
        (
            {"post_processor": None, "normalizer": {"type": "Replace", "pattern": {"Regex": ".+"}, "content": ""}},
            "tokenizer.json makes no token of some text",
        ),
        (  # which is a panic of its library
            {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
            r"tokenizer.json and tokenizer_config.json make no tokenizer \(PanicException",
        ),
        (
            {
                "post_processor": {
                    "type": "TemplateProcessing",
                    "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}] * 20,
                    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                    "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}},
                }
            },
            r"tokenizer.json makes \d+ tokens of a text, and max_length is 16: its special tokens leave no room",
        ),
    ],
)
def test_tokenizers_that_make_no_tokens(
    encoded: Path, tiny: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = source(tiny, tmp_path / "pretrained").parent
    tokenizer = json.loads((folder / "tokenizer.json").read_text()) | change
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["cls_token"]  # or it would be missed first
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=message):
        tokenise(folder, encoded / "toy.parquet", 16, tmp_path / "encoded.parquet")
    assert not (tmp_path / "encoded.parquet").exists()


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("bert", {"pad_token_id": "1"}),
        ("bert", {"pad_token_id": -1}),
        ("bert", {"pad_token_id": True}),
        ("bert", {"pad_token_id": 18}),
        ("roberta", {"pad_token_id": 1.0}),
        ("modernbert", {"max_position_embeddings": "8192"}),
        ("deberta-v2", {"max_position_embeddings": 0}),
        ("distilbert", {"type_vocab_size": "x"}),
        ("distilbert", {"type_vocab_size": -1}),
    ],
)
def test_numbers_of_a_config_are_such_that_can_be(tmp_path: Path, family: str, change: dict[str, Any]) -> None:
    write_family(family, tmp_path / "source")
    path = tmp_path / "source/config.json"
    path.write_text(json.dumps(FAMILIES[family] | change))
    with pytest.raises(UserError, match=rf"config.json says {next(iter(change))} "):
        prepare_model(path, {"path": str(path.parent)}, tmp_path / "pretrained")
    assert not (tmp_path / "pretrained").exists()

"""A fine-tuned model of transformers becomes the full model of a task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import write_tiny_model
from families import EACH_FAMILY
from safetensors.torch import load_file, save_file
from test_exports import LABELS, Trained, home, sentences  # noqa: F401  (a fixture)

from supertickets.encoder.model import read_model
from supertickets.encoder.pretrained import prepare_model
from supertickets.encoder.ticket import Ticket
from supertickets.errors import UserError
from supertickets.experiment.finetuned import class_order
from supertickets.exports.finetuned import take_finetuned


def take(trained: Trained, labels: list[str], **changes: Any) -> Path:
    folder = trained.folder
    given = {"folder": folder / "export/dense", "config": trained.pretrained / "config.json", "max_length": 16}
    files = {"examples": folder / "toy.parquet", "encoded": folder / "encoded.parquet"}
    take_finetuned(**{**given, **files, **changes}, labels=labels, weights=folder / "taken.safetensors")
    return folder / "taken.safetensors"


@pytest.mark.parametrize("family", EACH_FAMILY)
def test_it_computes_the_same_with_its_classes_in_the_order_of_the_task_s(tmp_path: Path, family: str) -> None:
    trained = Trained(tmp_path, family, Ticket.full(3, 4))
    trained.export()
    expected = trained.logits(sentences())
    weights = take(trained, LABELS[::-1])
    config = trained.pretrained / "config.json"
    trained.model = read_model(config, weights, None, len(LABELS), 0.0, torch.Generator()).eval()
    torch.testing.assert_close(trained.logits(sentences()), expected[:, [1, 0]], rtol=1e-5, atol=1e-5)


def test_weights_of_half_precision_are_taken(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "bert", Ticket.full(3, 4))
    file = trained.export() / "dense/model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file, {"format": "pt"})
    config = file.with_name("config.json")
    config.write_text(json.dumps(json.loads(config.read_text()) | {"dtype": "float16"}))
    assert {tensor.dtype for tensor in load_file(take(trained, LABELS)).values()} == {torch.float32}


def test_a_model_of_another_encoder_is_refused(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "bert", Ticket.full(3, 4))
    folder = trained.export() / "dense"
    write_tiny_model(tmp_path / "wide", intermediate_size=64)
    prepare_model(tmp_path / "wide/config.json", {"path": ""}, tmp_path / "wide")
    with pytest.raises(UserError, match=f"^{folder}: not a model of the encoder that it is given with"):
        take(trained, LABELS, config=tmp_path / "wide/config.json")
    with pytest.raises(UserError, match=f"^{folder}: its classes are no, yes, and the task has labels maybe, yes"):
        take(trained, ["maybe", "yes"])
    with pytest.raises(UserError, match=r"export/cut: model_type is 'super_ticket'|the model's config: model_type is"):
        take(trained, LABELS, folder=folder.parent / "cut")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 0.5}))
    message = r"its outputs differ from those of the workflow's model by up to \d.*: it has another tokenizer or"
    with pytest.raises(UserError, match=message):
        take(trained, LABELS)
    (folder / "config.json").write_text(json.dumps(config))
    tensors = load_file(folder / "model.safetensors")
    save_file({name: tensors[name] for name in tensors if name != "classifier.bias"}, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"not a model for classification: 1 of its weights are missing, classifier"):
        take(trained, LABELS)
    assert not (tmp_path / "taken.safetensors").exists()


@pytest.mark.parametrize(
    ("fields", "labels", "message"),
    [
        ({}, ["no", "yes"], "its classes are LABEL_0, LABEL_1, and the task has labels no, yes; give the same names"),
        ({"id2label": {"0": "no", "1": "yes"}}, ["value"], "its classes are no, yes, and the task has one value, a re"),
        ({"id2label": {"0": "LABEL_0"}}, ["no", "yes"], "its classes are LABEL_0, and the task has labels no, yes"),
        ({"id2label": {"0": "no", "1": "no"}}, ["no", "yes"], "its classes are no, no, and the task"),
        ({"id2label": {"0": "no", "2": "yes"}}, ["no", "yes"], "id2label of its config.json is {'0': 'no', '2'"),
        ({"id2label": ["no", "yes"]}, ["no", "yes"], "id2label of its config.json is"),
        ([], ["no", "yes"], "id2label of its config.json is None"),
    ],
)
def test_other_classes_are_refused(fields: Any, labels: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        class_order(fields, labels)
    assert str(error.value).startswith(message)


def test_the_order_of_classes_is_found_by_their_names() -> None:
    names = {"id2label": {"0": "b", "1": "c", "2": "a"}}
    assert class_order(names, ["a", "b", "c"]) == [2, 0, 1]
    assert class_order({"id2label": {"0": "LABEL_0"}}, ["value"]) == [0]
    assert class_order({}, ["LABEL_1", "LABEL_0"]) == [1, 0]

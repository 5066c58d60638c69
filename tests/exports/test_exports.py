"""Exported models compute what the trained ones do, in every family and however they are loaded."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import LIBRARY, WORDS, toy, write_tiny_model, write_tiny_task
from families import EACH_FAMILY, FAMILIES, OTHERS, QUICK, write_family
from recipes import edited_module
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from supertickets.data.task import prepare_task
from supertickets.encoder.batches import batch_of
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.families import ARCHITECTURES
from supertickets.encoder.model import read_model, save_weights
from supertickets.encoder.pretrained import prepare_model
from supertickets.encoder.rewind import rewind
from supertickets.encoder.ticket import Ticket
from supertickets.encoder.tokenise import tokenise
from supertickets.engine.device import Compute
from supertickets.errors import UserError
from supertickets.exports.folder import export_model, load, write_tokenizer

EXACT = Compute(torch.device("cpu"), "fp32")
#: One head of each layer and no block, and some of both.
LEAST = Ticket(((3,), (0,), (1,)), (), 4)
SOME = Ticket(((0, 2), (0, 1, 2, 3), (1,)), (1,), 4)
LABELS = ["no", "yes"]


class Trained:
    """A model with weights of its own, as a training leaves it, and the folder of its export."""

    def __init__(self, folder: Path, family: str, ticket: Ticket, **changes: Any) -> None:
        self.folder, source = folder, folder / "source"
        write_family(family, source)
        write_tiny_model(folder / "other")
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(folder / "other" / name, source)
        config = source / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | changes))
        self.pretrained = folder / "pretrained"
        prepare_model(config, {"path": str(source)}, self.pretrained)
        (folder / "ticket.json").write_text(json.dumps(ticket.as_json()))
        pretrained = (self.pretrained / "model.safetensors", self.pretrained / "config.json")
        rewind(*pretrained, folder / "ticket.json", folder / "cut.safetensors")
        write_tiny_task(folder / "toy.tsv")
        prepare_task(toy(folder / "toy.tsv"), folder / "toy.parquet")
        tokenise(self.pretrained, folder / "toy.parquet", 16, folder / "encoded.parquet")
        files = (self.pretrained / "config.json", folder / "cut.safetensors", folder / "ticket.json")
        self.model = read_model(*files, len(LABELS), 0.1, torch.Generator().manual_seed(1)).eval()
        with torch.no_grad():
            self.model.classifier.bias.normal_()
        save_weights(self.model, folder / "trained.safetensors")

    def export(self) -> Path:
        folder = self.folder
        export_model(
            config=self.pretrained / "config.json",
            weights=folder / "trained.safetensors",
            ticket=folder / "ticket.json",
            examples=folder / "toy.parquet",
            encoded=folder / "encoded.parquet",
            labels=LABELS,
            max_length=16,
            folder=folder / "export",
        )
        return folder / "export"

    def logits(self, sentences: list[str]) -> torch.Tensor:
        """What the library computes."""
        tokenizer = AutoTokenizer.from_pretrained(self.folder / "source")
        tokens = [tokenizer(sentence)["input_ids"] for sentence in sentences]
        offsets = np.cumsum([0, *map(len, tokens)])
        flat = np.concatenate(tokens)
        count = len(sentences)
        data = Encoded(["x"] * count, ["test"] * count, np.zeros(count), flat, np.zeros_like(flat), offsets)
        with torch.inference_mode():
            return self.model(batch_of(data, np.arange(count), self.model.pad, EXACT))


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies that transformers makes of modules beside weights stay with the test."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))


def sentences() -> list[str]:
    random = np.random.default_rng(5)
    return [" ".join(random.choice(WORDS, size)) for size in (9, 3, 1, 12, 6)]


@pytest.mark.parametrize("ticket", [LEAST, SOME, Ticket.full(3, 4)], ids=["least", "some", "full"])
@pytest.mark.parametrize("family", EACH_FAMILY)
def test_exports_compute_what_was_trained(tmp_path: Path, family: str, ticket: Ticket) -> None:
    trained = Trained(tmp_path, family, ticket)
    expected, folder = trained.logits(sentences()), trained.export()
    tokens = AutoTokenizer.from_pretrained(folder / "dense")(sentences(), padding=True, return_tensors="pt")
    places = trained.model.architecture
    several = getattr(trained.model.get_submodule(places.prefix).config, "type_vocab_size", 2) != 1
    assert ("token_type_ids" in tokens) == (places.token_types and several)  # an encoder of one type is given none
    module = "modeling_super_ticket.SuperTicketForSequenceClassification"  # as auto_map names it
    assert (
        json.loads((folder / "cut/config.json").read_text())["auto_map"]["AutoModelForSequenceClassification"] == module
    )
    trusted = get_class_from_dynamic_module(module, folder / "cut").from_pretrained(folder / "cut").eval()
    assert type(trusted).__module__.startswith("transformers_modules.")
    plain = AutoModelForSequenceClassification.from_pretrained(folder / "dense").eval()
    assert type(plain).__module__.startswith("transformers.models.")
    for model in (plain, load(folder / "cut"), load(folder / "dense"), trusted):
        with torch.inference_mode():
            outputs = model(**tokens)
        torch.testing.assert_close(outputs.logits, expected, rtol=1e-5, atol=1e-5)
        assert model.config.id2label == {0: "no", 1: "yes"} and model.config.problem_type
    # The cut model takes what a tokenizer may give, and has what the trained one has: nothing of what is pruned.
    with torch.inference_mode():
        more = {"token_type_ids": torch.zeros_like(tokens["input_ids"]), **tokens}
        assert trusted(**more, labels=torch.tensor([0, 1, 1, 0, 1])).loss > 0
    for form in ("dense", "cut"):
        assert len({path.stat().st_mode for path in (folder / form).iterdir()}) == 1
    sizes = [sum(value.numel() for value in model.parameters()) for model in (trained.model, trusted, plain)]
    assert sizes[0] == sizes[1] and (sizes[1] < sizes[2]) == (ticket.heads_pruned > 0)


def test_the_recipe_for_a_family_is_exported_as_it_was_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library, tests = (edited_module(name, tmp_path) for name in ("encoder/families.py", "tests/families.py"))
    (family,) = library.ARCHITECTURES.keys() - ARCHITECTURES.keys()
    monkeypatch.setitem(ARCHITECTURES, family, library.ARCHITECTURES[family])
    monkeypatch.setitem(FAMILIES, family, tests.FAMILIES[family])
    trained = Trained(tmp_path, family, SOME)
    assert trained.model.first_only
    dense = load(trained.export() / "dense")
    tokens = AutoTokenizer.from_pretrained(tmp_path / "export/dense")(sentences(), padding=True, return_tensors="pt")
    with torch.inference_mode():
        torch.testing.assert_close(dense(**tokens).logits, trained.logits(sentences()), rtol=1e-5, atol=1e-5)


def printed(code: str, folder: Path) -> torch.Tensor:
    """Lines of numbers that a process prints in a folder, which does not find the library: shape (lines, numbers)."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"HF_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return torch.tensor([[float(number) for number in line.split()] for line in done.stdout.splitlines()])


@pytest.mark.parametrize("families", [QUICK, pytest.param(OTHERS, marks=pytest.mark.slow)], ids=["quick", "others"])
def test_a_clean_process_needs_transformers_alone(tmp_path: Path, families: tuple[str, ...]) -> None:
    expected = []
    for family in families:
        trained = Trained(tmp_path / family, family, SOME)
        trained.export()
        expected += [trained.logits(sentences())] * 2  # of both forms
    code = f"""
import sys
from transformers import pipeline
for family in {families!r}:
    for form in ("dense", "cut"):
        model = f"{{family}}/export/{{form}}"
        classify = pipeline("text-classification", model=model, trust_remote_code=form == "cut", top_k=None)
        for answer in classify({sentences()!r}, function_to_apply="none"):
            print(*(each["score"] for each in sorted(answer, key=lambda each: each["label"])))
assert not any(name.partition(".")[0] in ("supertickets", "snakemake") for name in sys.modules)
"""
    torch.testing.assert_close(printed(code, tmp_path), torch.cat(expected), rtol=1e-5, atol=1e-5)


def test_the_module_beside_the_weights_is_the_library_s_and_imports_none_of_it(tmp_path: Path) -> None:
    module = LIBRARY / "exports/modeling_super_ticket.py"
    assert (Trained(tmp_path, "bert", SOME).export() / "cut" / module.name).read_bytes() == module.read_bytes()
    for node in ast.walk(ast.parse(module.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert {name.partition(".")[0] for name in names} <= {
            "__future__",
            "collections",
            "typing",
            "torch",
            "transformers",
        }


def test_texts_in_labels_out(tmp_path: Path) -> None:
    folder = Trained(tmp_path, "distilbert", SOME).export()
    long = "good film " * 40  # is cut as in training, to the positions that there are
    plain, cut = (
        pipeline("text-classification", model=load(path), tokenizer=str(path), truncation=True)
        for path in (folder / "dense", folder / "cut")
    )
    for one, other in zip(plain([long, "bad"]), cut([long, "bad"]), strict=True):
        assert one["label"] == other["label"] in LABELS
        assert one["score"] == pytest.approx(other["score"], abs=1e-5)
    assert plain.tokenizer.model_max_length == 16


def test_a_tokenizer_without_padding_is_given_the_encoder_s(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "bert", SOME, pad_token_id=0)
    path = trained.pretrained / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    del settings["pad_token"]
    path.write_text(json.dumps(settings | {"auto_map": {"AutoTokenizer": ["x.Y", None]}}))
    tokenizer = AutoTokenizer.from_pretrained(trained.export() / "dense")
    assert tokenizer.pad_token == "[PAD]" and tokenizer.pad_token_id == 0


def test_a_regression_is_named_by_its_task(tmp_path: Path) -> None:
    from supertickets.exports.plain import label_fields

    assert label_fields(["rating"]) == {
        "id2label": {0: "rating"},
        "label2id": {"rating": 0},
        "problem_type": "regression",
    }


def test_what_transformers_computes_otherwise_is_refused(tmp_path: Path) -> None:
    # Its model for classification reads the first token, whatever the config says; the library takes the mean.
    trained = Trained(tmp_path, "distilbert", SOME, classifier_pooling="mean")
    with pytest.raises(
        UserError, match=r"export/dense: its outputs differ from those of the workflow's model by up to \d"
    ):
        trained.export()


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing: not a model for classification \(UserError: no such folder"):
        load(tmp_path / "nothing")
    cut = Trained(tmp_path, "bert", SOME).export() / "cut"
    tensors = load_file(cut / "model.safetensors")
    name = "model.bert.encoder.layer.0.attention.self.query.weight"
    del tensors[name]
    save_file(tensors, cut / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=rf"cut: not a model for classification: 1 of its weights are missing, {name}"):
        load(cut)
    (cut / "config.json").write_text("{}")
    with pytest.raises(UserError, match="cut: not a model for classification"):
        load(cut)


def test_a_tokenizer_of_an_encoder_of_one_token_type_gives_no_other(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "roberta", SOME)
    write_tokenizer(trained.model, trained.pretrained, 16, tmp_path)
    assert list(AutoTokenizer.from_pretrained(tmp_path)("good", "bad")) == ["input_ids", "attention_mask"]

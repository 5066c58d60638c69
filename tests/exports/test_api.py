"""The public API, and the command: the same as the workflow's stages, on models of transformers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import output_of
from families import EACH_FAMILY
from test_exports import LABELS, LEAST, SOME, Trained, home, sentences  # noqa: F401  (a fixture)
from tiny_runs import SETTINGS
from transformers import AutoModel, AutoTokenizer, PreTrainedModel

import supertickets
from supertickets.encoder.model import read_model
from supertickets.encoder.rewind import rewind
from supertickets.encoder.ticket import Ticket
from supertickets.errors import UserError
from supertickets.tickets import importance
from supertickets.tickets.importance_table import read_importance

FULL = Ticket.full(3, 4)


def logits(model: PreTrainedModel, tokenizer: str | Path) -> torch.Tensor:
    tokens = AutoTokenizer.from_pretrained(tokenizer)(sentences(), padding=True, return_tensors="pt")
    with torch.inference_mode():
        return model(**tokens).logits


def test_to_import_it_takes_no_time() -> None:
    code = (
        "import supertickets, sys; print(dir(supertickets)[-5:], [n for n in sys.modules if n in {'torch', 'typing'}])"
    )
    assert output_of(code) == "['cut', 'export', 'load', 'prune', 'score_units'] []\n"
    with pytest.raises(AttributeError, match="module 'supertickets' has no attribute 'nothing'"):
        _ = supertickets.nothing


@pytest.mark.parametrize("family", EACH_FAMILY)
def test_a_model_of_transformers_is_cut_as_the_library_cuts(tmp_path: Path, family: str) -> None:
    trained = Trained(tmp_path, family, FULL)
    folder = trained.export()
    (tmp_path / "some.json").write_text(json.dumps(SOME.as_json()))
    small = supertickets.cut(supertickets.load(folder / "dense"), tmp_path / "some.json")
    config = trained.pretrained / "config.json"
    rewind(tmp_path / "trained.safetensors", config, tmp_path / "some.json", tmp_path / "some.safetensors")
    files = (config, tmp_path / "some.safetensors", tmp_path / "some.json")
    trained.model = read_model(*files, len(LABELS), 0.0, torch.Generator()).eval()
    expected = trained.logits(sentences())
    torch.testing.assert_close(logits(small, folder / "dense"), expected, rtol=1e-5, atol=1e-5)
    supertickets.export(small, tmp_path / "out", AutoTokenizer.from_pretrained(folder / "dense"))
    for form in ("dense", "cut"):
        again = supertickets.load(tmp_path / "out" / form)
        assert again.config.id2label == {0: "no", 1: "yes"}
        torch.testing.assert_close(logits(again, tmp_path / "out" / form), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["sensitivity", "taylor", "magnitude"])
def test_units_score_what_the_workflow_s_score(tmp_path: Path, method: str) -> None:
    trained = Trained(tmp_path, "bert", FULL)
    folder = trained.export()
    table = pd.read_parquet(tmp_path / "toy.parquet")
    rows = np.flatnonzero(table["split"] == "train")
    (tmp_path / "subset.json").write_text(json.dumps({"rows": rows.tolist()}))
    importance.score_units(
        trained.pretrained / "config.json", tmp_path / "trained.safetensors", tmp_path / "encoded.parquet",
        tmp_path / "subset.json", 1, SETTINGS, [method], tmp_path / "importance.csv",
    )  # fmt: skip
    expected = read_importance(tmp_path / "importance.csv", method, FULL)
    model, tokenizer = supertickets.load(folder / "dense"), AutoTokenizer.from_pretrained(folder / "dense")
    train = table.iloc[rows]
    names = [LABELS[int(label)] for label in train["label"]]
    for labels in (train["label"].tolist(), names):
        scores = supertickets.score_units(model, tokenizer, train["text"].tolist(), labels, method=method)
        for kind in ("head", "ffn"):
            np.testing.assert_allclose(scores[kind], expected[kind], rtol=1e-4, atol=1e-6)
    ticket = supertickets.prune(scores, 0.5)
    assert (ticket.heads_pruned, ticket.ffn_pruned) == (6, 1)
    assert int(np.argmin(scores["ffn"])) not in ticket.ffn
    assert supertickets.prune(scores, 0.5, kind="losing", units="heads").ffn_pruned == 0
    assert model.training is False and all(value.requires_grad for value in model.parameters())  # it can be trained


def test_pairs_of_an_encoder_of_one_token_type_are_scored(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "roberta", FULL)
    model = supertickets.load(trained.export() / "dense")
    tokenizer = AutoTokenizer.from_pretrained(trained.pretrained)  # gives the second text another type
    scores = supertickets.score_units(model, tokenizer, ["good", "bad"], [1, 0], pairs=["film", "book"])
    assert scores["head"].shape == (3, 4) and np.isfinite(scores["ffn"]).all()


def test_a_cut_model_can_be_trained_saved_and_loaded(tmp_path: Path) -> None:
    folder = Trained(tmp_path, "bert", FULL).export()
    small = supertickets.cut(supertickets.load(folder / "dense"), LEAST).train()
    tokens = AutoTokenizer.from_pretrained(folder / "dense")(sentences(), padding=True, return_tensors="pt")
    before = logits(small.eval(), folder / "dense")
    optimizer = torch.optim.SGD(small.parameters(), 0.1)
    small(**tokens, labels=torch.tensor([0, 1, 1, 0, 1])).loss.backward()
    optimizer.step()
    after = logits(small.eval(), folder / "dense")
    assert (after - before).abs().max() > 1e-3
    small.save_pretrained(tmp_path / "saved")
    torch.testing.assert_close(logits(supertickets.load(tmp_path / "saved"), folder / "dense"), after)
    assert (tmp_path / "saved/modeling_super_ticket.py").is_file()


def test_what_it_cannot_do_is_one_clear_error(tmp_path: Path) -> None:
    trained = Trained(tmp_path, "bert", FULL)
    folder = trained.export()
    model, tokenizer = supertickets.load(folder / "dense"), AutoTokenizer.from_pretrained(folder / "dense")
    small = supertickets.cut(model, SOME)
    encoder = AutoModel.from_pretrained(trained.pretrained)
    scores = {"head": np.ones((3, 4)), "ffn": np.ones(3)}
    for message, call in (
        ("ticket: it has 2 layers of 4 heads, the encoder 3 of 4", lambda: supertickets.cut(model, Ticket.full(2, 4))),
        ("model_type is 'super_ticket'; the architectures covered are", lambda: supertickets.cut(small, SOME)),
        ("the model has no bert.*: a model for classification is needed", lambda: supertickets.cut(encoder, SOME)),
        ("BertForSequenceClassification is not a cut model", lambda: supertickets.export(model, tmp_path / "out")),
        ("unknown kind 'any'; there are losing, random", lambda: supertickets.prune(scores, 0.3, kind="any")),
        (r"ratio is 1.3, units is 'both'", lambda: supertickets.prune(scores, 1.3)),
        (
            "unknown method 'best'; there are magn",
            lambda: supertickets.score_units(model, tokenizer, [], [], method="best"),
        ),
        ("1 texts and 2 labels", lambda: supertickets.score_units(model, tokenizer, ["good"], [0, 1])),
        (
            "'maybe' is not a label; the model has no, yes",
            lambda: supertickets.score_units(model, tokenizer, ["a"], ["maybe"]),
        ),
        (
            "^label of '0' is 7.0, not a class from 0 to 1$",
            lambda: supertickets.score_units(model, tokenizer, ["a"], [7]),
        ),
    ):
        with pytest.raises(UserError, match=message):
            call()


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from supertickets.command import main; main()"
    library = str(Path(supertickets.__file__).parents[1])
    return subprocess.run([sys.executable, "-c", code, library, *map(str, arguments)], text=True, capture_output=True)


def test_the_command_cuts_a_folder(tmp_path: Path) -> None:
    folder = Trained(tmp_path, "bert", FULL).export() / "dense"
    (tmp_path / "some.json").write_text(json.dumps(SOME.as_json()))
    done = command("cut", "--model", folder, "--ticket", tmp_path / "some.json", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    expected = logits(supertickets.cut(supertickets.load(folder), SOME), folder)
    for form in ("dense", "cut"):
        torch.testing.assert_close(
            logits(supertickets.load(tmp_path / f"out/{form}"), tmp_path / f"out/{form}"), expected
        )
    done = command("cut", "--model", tmp_path / "none", "--ticket", tmp_path / "some.json", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"Error: {tmp_path}/none: not a model for classification")
    done = command("mince")
    assert done.returncode == 1 and done.stderr.startswith("usage: supertickets {prune,cut} --option value")

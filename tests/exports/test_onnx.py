"""ONNX files of exported models; all but the refusals need the packages of requirements-onnx.lock."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from families import EACH_FAMILY, OTHERS, QUICK
from test_exports import EXACT, LEAST, SOME, Trained, home, printed, sentences  # noqa: F401  (a fixture)
from transformers import AutoTokenizer

from supertickets.encoder.batches import batch_of
from supertickets.encoder.encoded import Encoded
from supertickets.errors import UserError
from supertickets.exports import to_onnx
from supertickets.exports.folder import load
from supertickets.exports.int8 import outputs_of as int8_outputs
from supertickets.exports.int8 import quantise_onnx, score_of

MISSING = [name for name in to_onnx.NEEDED if find_spec(name) is None]
needs_extra = pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)}: in requirements-onnx.lock alone")


def outputs_of(model: Path, tokens: dict[str, torch.Tensor]) -> np.ndarray:
    from onnxruntime import InferenceSession

    session = InferenceSession(model)
    assert {each.name: each.shape for each in session.get_inputs()} == {name: ["batch", "tokens"] for name in tokens}
    return session.run(["logits"], {name: values.numpy() for name, values in tokens.items()})[0]


@needs_extra
@pytest.mark.parametrize("family", EACH_FAMILY)
def test_onnx_computes_what_was_trained(tmp_path: Path, family: str) -> None:
    trained = Trained(tmp_path, family, SOME)
    folder = trained.export()
    to_onnx.write_onnx(folder / "cut", tmp_path / "model.onnx")
    to_onnx.quantise(tmp_path / "model.onnx", tmp_path / "model.int8.onnx")
    tokenizer = AutoTokenizer.from_pretrained(folder / "dense")
    for texts in (sentences(), sentences()[:1], ["good"]):  # any number of sentences and tokens
        expected = trained.logits(texts).numpy()
        tokens = dict(tokenizer(texts, padding=True, return_tensors="pt"))
        np.testing.assert_allclose(outputs_of(tmp_path / "model.onnx", tokens), expected, rtol=1e-5, atol=1e-5)
        rounded = outputs_of(tmp_path / "model.int8.onnx", tokens)
        assert 0 < np.abs(rounded - expected).max() < 0.2 * max(1.0, np.abs(expected).max())


@needs_extra
@pytest.mark.parametrize("families", [QUICK, pytest.param(OTHERS, marks=pytest.mark.slow)], ids=["quick", "others"])
def test_a_clean_process_needs_onnxruntime_and_tokenizers_alone(tmp_path: Path, families: tuple[str, ...]) -> None:
    expected = []
    for family in families:
        trained = Trained(tmp_path / family, family, SOME)
        to_onnx.write_onnx(trained.export() / "cut", tmp_path / family / "export/model.onnx")
        expected.append(trained.logits(sentences()))
    code = f"""
import sys
import numpy as np
from onnxruntime import InferenceSession
from tokenizers import Tokenizer
for family in {families!r}:
    session = InferenceSession(f"{{family}}/export/model.onnx")
    tokenizer = Tokenizer.from_file(f"{{family}}/export/cut/tokenizer.json")
    for text in {sentences()!r}:
        told = tokenizer.encode(text)
        given = {{"input_ids": told.ids, "attention_mask": told.attention_mask, "token_type_ids": told.type_ids}}
        given = {{each.name: np.array([given[each.name]]) for each in session.get_inputs()}}
        print(*session.run(["logits"], given)[0][0])
assert not any(name.partition(".")[0] in ("supertickets", "transformers", "torch") for name in sys.modules)
"""
    torch.testing.assert_close(printed(code, tmp_path), torch.cat(expected), rtol=1e-5, atol=1e-5)


@needs_extra
def test_the_file_holds_what_is_left(tmp_path: Path) -> None:
    import onnx

    trained = Trained(tmp_path, "bert", LEAST)
    to_onnx.write_onnx(trained.export() / "cut", tmp_path / "model.onnx")
    held = sum(int(np.prod(each.dims)) for each in onnx.load(tmp_path / "model.onnx").graph.initializer)
    positions_and_the_like = 100
    assert 0 <= held - sum(value.numel() for value in trained.model.parameters()) < positions_and_the_like


@needs_extra
def test_what_computes_otherwise_is_not_left_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Trained(tmp_path, "bert", SOME).export()
    right = to_onnx.outputs_of
    monkeypatch.setattr(to_onnx, "outputs_of", lambda *args: [each + 0.5 for each in right(*args)])
    with pytest.raises(UserError, match=r"model\.onnx: its outputs differ from the model's by up to 0.5"):
        to_onnx.write_onnx(folder / "cut", tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


@needs_extra
def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"model\.onnx: cannot be quantised"):
        to_onnx.quantise(tmp_path / "model.onnx", tmp_path / "model.int8.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_without_the_extra_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_onnx, "find_spec", lambda name: None)
    message = "ONNX needs onnx, onnxscript, onnxruntime, not installed: pip install -r requirements-onnx.lock"
    for function, arguments in ((to_onnx.write_onnx, tmp_path), (to_onnx.quantise, tmp_path / "model.onnx")):
        with pytest.raises(UserError, match=message):
            function(arguments, tmp_path / "other.onnx")


def test_the_batches_that_a_model_is_tried_with_fit_it(tmp_path: Path) -> None:
    model = load(Trained(tmp_path, "bert", SOME).export() / "cut")
    one, several = to_onnx.batches(model, ["attention_mask", "input_ids"], 16)
    assert one[1].shape == (1, 7) and several[1].shape == (5, 16)
    assert several[0].sum(1).tolist() == [16, 9, 9, 9, 9] and int(several[1].max()) < 18


@needs_extra
@pytest.mark.parametrize("family", EACH_FAMILY)
def test_the_score_in_int8_is_that_of_the_file(tmp_path: Path, family: str) -> None:
    trained = Trained(tmp_path, family, SOME)
    folder = trained.export()
    to_onnx.write_onnx(folder / "cut", tmp_path / "model.onnx")
    data = Encoded.read(tmp_path / "encoded.parquet")
    rows = np.flatnonzero(np.array(data.parts) == "test")[::-1]  # in another order than the task's
    with torch.inference_mode():
        logits = trained.model(batch_of(data, rows, trained.model.pad, EXACT)).numpy()
    own = pd.DataFrame({"id": [data.ids[row] for row in rows], "split": "test", "label": data.labels[rows]})
    own.assign(logits=list(logits)).to_parquet(tmp_path / "predictions.parquet")
    quantise_onnx(
        tmp_path / "model.onnx", folder / "cut", tmp_path / "encoded.parquet", tmp_path / "predictions.parquet",
        "accuracy", "", 1, tmp_path / "model.int8.onnx", tmp_path / "int8.json",
    )  # fmt: skip
    told = json.loads((tmp_path / "int8.json").read_text())
    texts = pd.read_parquet(tmp_path / "toy.parquet").set_index("id").loc[own["id"], "text"].tolist()
    tokenizer = AutoTokenizer.from_pretrained(folder / "dense")
    each = np.concatenate([
        outputs_of(tmp_path / "model.int8.onnx", dict(tokenizer([text], return_tensors="pt"))) for text in texts
    ])  # fmt: skip
    given = int8_outputs(tmp_path / "model.int8.onnx", folder / "cut", data, own, 1)
    assert np.abs(given - each).max() < 0.2 * max(1.0, np.abs(each).max())  # activations are rounded batch by batch
    right = 100 * np.mean(given.argmax(1) == own["label"])
    assert told["value"] == pytest.approx(right) and told["low"] <= right <= told["high"]
    assert told["difference"] == pytest.approx(right - 100 * np.mean(logits.argmax(1) == own["label"]))
    assert told["split"] == "test" and told["examples"] == len(own) and told["bytes"] < told["bytes_of_float"]


def test_a_difference_in_int8_is_paired_and_over_documents() -> None:
    labels = np.tile([0.0, 1.0], 100)
    own = pd.DataFrame({"id": [f"d{row // 20}_{row}" for row in range(200)], "label": labels})
    own["logits"] = list(np.where(labels[:, None] == [0, 1], 1.0, -1.0) * np.where(np.arange(200) % 4, 1, -1)[:, None])
    same = np.stack(own["logits"].tolist())
    for separator in ("", "_"):
        told = score_of(own, same, "accuracy", separator)
        assert (told["value"], told["difference"], told["difference_low"], told["difference_high"]) == (75, 0, 0, 0)
    turned = same * np.where(np.arange(200) < 20, -1, 1)[:, None]  # one document
    of_examples, of_documents = (score_of(own, turned, "accuracy", separator) for separator in ("", "_"))
    assert of_examples["difference"] == of_documents["difference"] == -5
    widths = [told["difference_high"] - told["difference_low"] for told in (of_examples, of_documents)]
    assert 0 < widths[0] < widths[1]

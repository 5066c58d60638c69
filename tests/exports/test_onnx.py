"""ONNX files of exported models; all but the refusals need the packages of requirements-onnx.lock."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from families import EACH_FAMILY
from test_exports import LEAST, SOME, Trained, home, sentences  # noqa: F401  (a fixture)
from transformers import AutoTokenizer

from supertickets.errors import UserError
from supertickets.exports import to_onnx
from supertickets.exports.folder import load

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
    to_onnx.quantise_onnx(tmp_path / "model.onnx", tmp_path / "model.int8.onnx")
    tokenizer = AutoTokenizer.from_pretrained(folder / "dense")
    for texts in (sentences(), sentences()[:1], ["good"]):  # any number of sentences and tokens
        expected = trained.logits(texts).numpy()
        tokens = dict(tokenizer(texts, padding=True, return_tensors="pt"))
        np.testing.assert_allclose(outputs_of(tmp_path / "model.onnx", tokens), expected, rtol=1e-5, atol=1e-5)
        rounded = outputs_of(tmp_path / "model.int8.onnx", tokens)
        assert 0 < np.abs(rounded - expected).max() < 0.2 * max(1.0, np.abs(expected).max())


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
        to_onnx.quantise_onnx(tmp_path / "model.onnx", tmp_path / "model.int8.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_without_the_extra_the_error_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_onnx, "find_spec", lambda name: None)
    message = "ONNX needs onnx, onnxscript, onnxruntime, not installed: pip install -r requirements-onnx.lock"
    for function, arguments in ((to_onnx.write_onnx, tmp_path), (to_onnx.quantise_onnx, tmp_path / "model.onnx")):
        with pytest.raises(UserError, match=message):
            function(arguments, tmp_path / "other.onnx")


def test_the_batches_that_a_model_is_tried_with_fit_it(tmp_path: Path) -> None:
    model = load(Trained(tmp_path, "bert", SOME).export() / "cut")
    one, several = to_onnx.batches(model, ["attention_mask", "input_ids"], 16)
    assert one[1].shape == (1, 7) and several[1].shape == (5, 16)
    assert several[0].sum(1).tolist() == [16, 9, 9, 9, 9] and int(several[1].max()) < 18

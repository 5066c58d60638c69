"""The training loop, its optimizer, and what a run leaves behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_runs import CPU, SETTINGS, encoded, run
from torch import nn

from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import Classifier, read_model
from supertickets.encoder.narrow import narrowed
from supertickets.engine import device as compute
from supertickets.engine.device import Compute
from supertickets.engine.dropout import Dropout, seed_dropout
from supertickets.engine.optimizer import Optimizer, _adamax, learning_rate
from supertickets.errors import UserError
from supertickets.files import sha256
from supertickets.training.loop import train
from supertickets.training.predict import predict
from supertickets.training.run import predictions_of
from supertickets.training.settings import Settings

__all__ = ["encoded"]  # the fixture


def fresh(tiny: Path, outputs: int = 2) -> Classifier:
    generator = torch.Generator().manual_seed(0)
    return read_model(tiny / "config.json", tiny / "model.safetensors", None, outputs, 0.1, generator)


def test_a_run_learns_and_its_record_is_complete(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    out = run(encoded, tiny, tmp_path / "run", epochs=12)
    record = json.loads((out / "record.json").read_text())
    assert record["losses"][-1] < 0.3 < record["losses"][0] and len(record["losses"]) == 12
    assert record["steps"] == 12 * 9 and record["examples"] == {"train": 72, "validation": 24, "test": 15}
    assert (record["heads_pruned"], record["ffn_pruned"], record["weight_remaining"]) == (0, 0, 1.0)
    assert record["heads_kept"] == [4, 4, 4] and record["ffn_kept"] == [0, 1, 2]
    assert record["inputs_sha256"]["encoded"] == sha256(encoded / "encoded.parquet")
    assert record["settings"]["learning_rate"] == 1e-2 and record["memory_bytes"]["resident"] > 1e7
    assert set(record["seconds"]) == {"load", "train", "predict"} and "torch" in record["versions"]

    predictions = pd.read_parquet(out / "predictions.parquet")
    data = Encoded.read(encoded / "encoded.parquet")
    rows = np.concatenate([data.first("validation", None), data.first("test", 15)])
    assert predictions["id"].tolist() == [data.ids[row] for row in rows]
    assert predictions["label"].tolist() == data.labels[rows].tolist()
    logits = np.stack(predictions["logits"].tolist())
    assert (logits.argmax(axis=1) == predictions["label"]).mean() > 0.8
    # The weights written are those that predicted.
    model = read_model(tiny / "config.json", out / "model.safetensors", None, 2, 0.1, torch.Generator())
    with narrowed(model, data, rows, CPU) as view:
        np.testing.assert_allclose(predict(model, view, rows), logits, rtol=1e-5, atol=1e-6)


def test_a_part_that_is_smaller_than_asked_for_is_predicted_whole(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    whole = run(encoded, tiny, tmp_path / "whole", epochs=0, evaluate={"validation": None, "test": None})
    most = run(encoded, tiny, tmp_path / "most", epochs=0, evaluate={"validation": 24, "test": 500})
    assert json.loads((most / "record.json").read_text())["examples"] == {"train": 72, "validation": 24, "test": 24}
    assert (most / "predictions.parquet").read_bytes() == (whole / "predictions.parquet").read_bytes()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_same_seed_same_bytes_other_seed_other_bytes(encoded: Path, tiny: Path, tmp_path: Path, precision: str) -> None:
    seed_dropout(123)  # a run must not depend on what was drawn before it
    one = run(encoded, tiny, tmp_path / "one", precision=precision)
    again = run(encoded, tiny, tmp_path / "again", precision=precision)
    other = run(encoded, tiny, tmp_path / "other", seed=2, precision=precision)
    for name in ("predictions.parquet", "model.safetensors"):
        assert (one / name).read_bytes() == (again / name).read_bytes()
        assert (one / name).read_bytes() != (other / name).read_bytes()


def test_no_epochs_train_nothing_and_weights_are_written_only_where_asked_for(
    encoded: Path, tiny: Path, tmp_path: Path
) -> None:
    out = run(encoded, tiny, tmp_path / "untrained", keep=False, epochs=0)
    record = json.loads((out / "record.json").read_text())
    assert record["steps"] == 0 and record["losses"] == [] and record["device"] == "cpu"
    assert record["precision"] == "fp32"
    made = ["predictions.parquet", "record.json"]
    assert sorted(path.name for path in out.iterdir()) == ["checkpoint.finished", *made]
    assert sorted(path.name for path in (out / "checkpoint.finished").iterdir()) == [
        "identity.json",
        *(f"{name}.kept" for name in made),
    ]


def test_a_device_that_is_not_there_is_named(
    encoded: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device is cuda: torch finds no CUDA device"):
        run(encoded, tiny, tmp_path / "run", device="cuda")


def test_auto_computes_in_bfloat16_where_there_are_units_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for units, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(compute, "has_bf16_units", lambda device, units=units: units)
        assert Compute.chosen("cpu", "auto") == Compute(torch.device("cpu"), expected)
    monkeypatch.undo()
    monkeypatch.setattr(compute.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    for amx in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda amx=amx: amx)
        assert compute.has_bf16_units(torch.device("cpu")) is amx
    # Elsewhere oneDNN knows, where torch has it.
    monkeypatch.setattr(compute.platform, "machine", lambda: "arm64")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert compute.has_bf16_units(torch.device("cpu")) is False


def test_sizes_repeat_where_shapes_cost() -> None:
    assert {CPU.multiple(tokens) for tokens in range(1, 3000)} == {1}
    low = Compute(torch.device("cpu"), "bf16")
    rounded = [-(-tokens // low.multiple(tokens)) * low.multiple(tokens) for tokens in range(64, 4096)]
    assert len(set(rounded)) < 60
    assert max(size / tokens for size, tokens in zip(rounded, range(64, 4096), strict=True)) < 1.125
    assert Compute(torch.device("cuda"), "bf16").multiple(100) == 8


@pytest.mark.parametrize("kind", ["adamax", "adamw"])
def test_bfloat16_trains_float32_weights_to_nearly_the_same(encoded: Path, tiny: Path, kind: str) -> None:
    data = Encoded.read(encoded / "encoded.parquet")
    rows = data.first("train", None)
    settings = Settings(**SETTINGS | {"optimizer": kind, "learning_rate": 1e-3, "classifier_dropout": 0.0})
    start, trained, losses, outputs = dict(fresh(tiny).named_parameters()), [], [], []
    for precision in ("fp32", "bf16"):
        model = fresh(tiny)
        for module in model.modules():
            if isinstance(module, Dropout):
                module.p = 0.0
        with narrowed(model, data, rows, Compute(torch.device("cpu"), precision)) as view:
            losses.append(train(model, view, rows, settings, 0).losses)
            outputs.append(predict(model, view, rows))
        trained.append(dict(model.named_parameters()))
    np.testing.assert_allclose(losses[0], losses[1], atol=0.02)
    np.testing.assert_allclose(outputs[0], outputs[1], atol=0.1)
    for name, exact in trained[0].items():
        if name.endswith("key.bias"):  # softmax does not see it: its gradient is rounding alone
            continue
        found = trained[1][name]
        assert found.dtype == torch.float32 and found.grad is None
        moved = (exact - start[name]).norm()
        # Most of a step's direction survives, and the weights are finer than bfloat16.
        assert (found - exact).norm() < 0.6 * moved + 1e-6, name
        if name.endswith("dense.weight"):
            assert not torch.equal(found, found.bfloat16().float()), name


def test_divergence_ends_in_an_error_and_no_file(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training diverged.* learning_rate below 1e\+30"):
        run(encoded, tiny, tmp_path / "run", learning_rate=1e30)
    assert not list((tmp_path / "run").iterdir())


def test_regression_is_trained_on_squared_error(encoded: Path, tiny: Path) -> None:
    data = Encoded.read(encoded / "encoded.parquet")
    data = replace(data, labels=data.labels * 2 - 1)
    rows = data.first("train", None)
    model = fresh(tiny, outputs=1)
    with narrowed(model, data, rows, CPU) as view:
        progress = train(model, view, rows, Settings(**SETTINGS | {"epochs": 10, "outputs": 1}), 0)
        outputs = predict(model, view, rows)
    assert np.corrcoef(outputs[:, 0], data.labels[rows])[0, 1] > 0.8
    assert progress.losses[-1][0] < 0.5


@pytest.mark.parametrize("kind", ["adamax", "adamw"])
def test_narrowed_embedding_trains_like_the_whole_one(encoded: Path, tiny: Path, kind: str) -> None:
    data = Encoded.read(encoded / "encoded.parquet")
    # Only some words occur in these examples, so that some rows of the embedding are left out.
    rows = np.array(
        [row for row in range(len(data.ids)) if 10 not in data.tokens[data.offsets[row] : data.offsets[row + 1]]]
    )
    settings = Settings(**SETTINGS | {"optimizer": kind, "weight_decay": 0.1})
    trained = []
    for examples in (rows, np.arange(len(data.ids))):
        model = fresh(tiny)
        with narrowed(model, data, examples, CPU) as view:
            size = len(model.encoder.get_input_embeddings().weight)
            train(model, view, rows, settings, 0)
        trained.append((size, model))
    (small, one), (large, other) = trained
    assert small < large
    assert one.encoder.get_input_embeddings().weight.shape[0] == 18
    for (name, first), second in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("kind", ["adamax", "adamw"])
def test_optimizers_agree_with_those_of_torch(kind: str) -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2))
    theirs = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 2))
    theirs.load_state_dict(ours.state_dict())
    decay = 0.1 if kind == "adamw" else 0.0  # torch's Adamax does not decouple its decay
    groups = [
        {"params": [value for name, value in theirs.named_parameters() if "weight" in name], "weight_decay": decay},
        {"params": [value for name, value in theirs.named_parameters() if "bias" in name], "weight_decay": 0.0},
    ]
    reference = {"adamax": torch.optim.Adamax, "adamw": torch.optim.AdamW}[kind](groups)
    optimizer = Optimizer(ours, kind, decay)
    norms: list[float] = []
    for step in range(20):
        rate = learning_rate(step, 20, 0.2, 0.05)
        inputs = torch.randn(9, 5)
        for model in (ours, theirs):
            model(inputs).square().sum().backward()
        norms.append(nn.utils.get_total_norm([parameter.grad for parameter in theirs.parameters()]).item())
        optimizer.step(rate, clip_norm=2.0)
        nn.utils.clip_grad_norm_(theirs.parameters(), 2.0)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        reference.zero_grad()
    for first, second in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)
    assert min(norms) < 2 < max(norms)  # with and without clipping


def test_adamax_of_all_tensors_at_once_is_that_of_one_after_another() -> None:
    torch.manual_seed(0)
    start = [[torch.randn(size).abs() for size in ((3, 4), (5,))] for _ in range(4)]
    together, apart = ([[tensor.clone() for tensor in row] for row in start] for _ in range(2))
    _adamax(*together, torch.tensor(2.0), 0.1, 0.01, 3)
    for members in zip(*apart, strict=True):
        _adamax(*([tensor] for tensor in members), torch.tensor(2.0), 0.1, 0.01, 3)
    for one, other in zip(together, apart, strict=True):
        assert all(map(torch.equal, one, other))


def test_dropout_in_bfloat16_keeps_the_mean() -> None:
    seed_dropout(2)
    outputs = Dropout(0.1)(torch.full((400, 500), 1.7, dtype=torch.bfloat16)).double()
    exact = float(torch.tensor(1.7).bfloat16()) / 0.9
    assert outputs.max() == pytest.approx(exact, rel=2**-9)


def test_dropout_of_odd_shapes_and_extreme_rates() -> None:
    assert Dropout(0.1)(torch.ones(1, 1)).shape == (1, 1)
    assert Dropout(0.1)(torch.ones(4, 3, 5).transpose(0, 2)).shape == (5, 3, 4)
    assert torch.equal(Dropout(0.0)(torch.ones(9)), torch.ones(9))
    assert Dropout(0.999999)(torch.ones(9)).isfinite().all()


@pytest.mark.parametrize("shape", [(3, 67, 129), (40_001,)])
def test_dropout_keeps_its_share_and_the_mean(shape: tuple[int, ...]) -> None:
    layer = Dropout(0.1)
    values = torch.ones(shape, requires_grad=True)
    seed_dropout(1)
    outputs = layer(values)
    outputs.sum().backward()
    assert torch.equal(values.grad, outputs.detach())  # the same mask in both directions
    scales = outputs.detach().unique().tolist()
    assert all(scale in (0, pytest.approx(1 / 0.9, rel=1e-4)) for scale in scales)
    spread = (0.09 / values.numel()) ** 0.5
    assert abs((outputs == 0).double().mean() - 0.1) < 4 * spread
    assert abs(outputs.detach().double().mean() - 1) < 4 * spread / 0.9
    # Elements that share a random number are dropped independently of each other.
    kept = (outputs != 0).flatten()[: values.numel() // 4 * 4].view(-1, 4).double()
    together = torch.corrcoef(kept.T) - torch.eye(4)
    assert together.abs().max() < 5 / len(kept) ** 0.5
    seed_dropout(1)
    assert torch.equal(layer(values), outputs)
    assert torch.equal(layer.eval()(values), values)


def test_every_dropout_module_of_a_model_is_the_cheap_one(tiny: Path) -> None:
    dropouts = [module for module in fresh(tiny).modules() if isinstance(module, nn.Dropout)]
    assert len(dropouts) > 3 and all(type(module) is Dropout for module in dropouts)


def test_biases_and_norms_are_not_decayed(tiny: Path) -> None:
    model = fresh(tiny)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimizer = Optimizer(model, "adamax", 0.5)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step(0.1, clip_norm=1.0)
    for name, value in model.named_parameters():
        factor = 1 if name.endswith("bias") or "LayerNorm" in name else 0.95
        torch.testing.assert_close(value, before[name] * factor, msg=name)


def test_rate_rises_linearly_then_falls_to_zero() -> None:
    rates = [learning_rate(step, 10, 0.2, 1.0) for step in range(11)]
    np.testing.assert_allclose(rates, [0.5, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0])
    assert learning_rate(0, 1, 0.0, 1.0) == 1


def test_a_model_that_answers_all_alike_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    data = Encoded(["a", "b"], ["test"] * 2, np.zeros(2), np.zeros(2), np.zeros(2), np.arange(3))
    predictions_of(data, np.arange(2), np.array([[0.1, 0.9], [0.2, 0.3]], "f4"))
    predictions_of(data, np.arange(2), np.array([[0.5], [0.5]], "f4"))
    assert caplog.text.count("for all 2 examples: it has learned nothing") == 2
    predictions_of(data, np.arange(2), np.array([[0.9, 0.1], [0.2, 0.3]], "f4"))
    predictions_of(data, np.arange(2), np.array([[0.5], [0.6]], "f4"))
    assert len(caplog.records) == 2

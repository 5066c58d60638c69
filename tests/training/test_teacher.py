"""A ticket that learns from the full model of its seed, beside the labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_runs import CPU, RUN, SETTINGS, encoded, run

from supertickets.encoder.batches import batch_of
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import read_model
from supertickets.errors import UserError
from supertickets.training.run import train_run
from supertickets.training.teacher import Teacher, teach

__all__ = ["encoded"]  # the fixture

HALF = {"temperature": 2.0, "weight": 0.5}


def taught_run(encoded: Path, tiny: Path, out: Path, outputs: torch.Tensor, **settings: Any) -> Path:
    """A training of the tiny model with a teacher that said this."""
    out.mkdir()
    save_file({"logits": outputs}, out / "teacher.safetensors")
    train_run(
        config=tiny / "config.json",
        weights=tiny / "model.safetensors",
        encoded=encoded / "encoded.parquet",
        subset=encoded / "subset.json",
        run=dict(zip(RUN, ("tiny", "toy", "all", 1, "full", 0.0, 1), strict=True)),
        settings=SETTINGS | settings,
        record=out / "record.json",
        predictions=out / "predictions.parquet",
        trained=out / "model.safetensors",
        teacher=out / "teacher.safetensors",
        shape=tiny / "shape.json",
    )
    return out


def rows_of(encoded: Path) -> np.ndarray:
    return np.array(json.loads((encoded / "subset.json").read_text())["rows"])


def labels_of(encoded: Path) -> torch.Tensor:
    """Labels of the training rows, one hot."""
    labels = Encoded.read(encoded / "encoded.parquet").labels[rows_of(encoded)]
    return torch.nn.functional.one_hot(torch.from_numpy(labels).long(), 2).float()


@pytest.mark.parametrize(("temperature", "weight"), [(2.0, 0.5), (5.0, 0.9), (1.0, 1.0), (3.0, 0.0)])
def test_the_loss_and_its_gradient_are_those_of_the_formula(temperature: float, weight: float) -> None:
    torch.manual_seed(0)
    outputs, said = torch.randn(4, 3, dtype=torch.float64, requires_grad=True), torch.randn(6, 3, dtype=torch.float64)
    labels, rows = torch.tensor([0.0, 2.0, 1.0, 1.0], dtype=torch.float64), np.array([5, 0, 3, 2])
    losses = Teacher(said, temperature, weight).losses_for(rows)(outputs, labels)
    student, teacher = ((logits / temperature).exp() for logits in (outputs, said[[5, 0, 3, 2]]))
    student, teacher = student / student.sum(1, keepdim=True), teacher / teacher.sum(1, keepdim=True)
    divergence = (teacher * (teacher / student).log()).sum(1)
    plain = outputs.exp() / outputs.exp().sum(1, keepdim=True)
    expected = -(1 - weight) * plain[range(4), labels.long()].log() + weight * temperature**2 * divergence
    torch.testing.assert_close(losses, expected)
    (gradient,) = torch.autograd.grad(losses.sum(), outputs)
    # Hinton et al., equation 2: temperature squared times (1 / temperature) (student - teacher).
    of_labels = plain - torch.nn.functional.one_hot(labels.long(), 3)
    by_hand = (1 - weight) * of_labels + weight * temperature * (student - teacher)
    torch.testing.assert_close(gradient, by_hand.detach())


def test_a_regression_learns_from_the_value_of_its_teacher() -> None:
    outputs, said = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [4.0], [3.0]])
    losses = Teacher(said, 2.0, 0.25).losses_for(np.array([1, 0]))(outputs, torch.tensor([1.5, 0.0]))
    expected = [0.75 * 0.5**2 + 0.25 * 3.0**2, 0.75 * 2.0**2 + 0.25 * 2.0**2]
    assert losses.tolist() == pytest.approx(expected)


def test_a_teacher_predicts_its_training_examples_without_dropout(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    full = run(encoded, tiny, tmp_path / "full")
    files = (tiny / "config.json", full / "model.safetensors")
    table, subset = encoded / "encoded.parquet", encoded / "subset.json"
    teach(*files, table, subset, SETTINGS, full / "teacher.safetensors")
    model, rows = read_model(*files, None, 2, 0.1, torch.Generator()).eval(), rows_of(encoded)
    with torch.inference_mode():
        expected = model(batch_of(Encoded.read(table), rows, model.pad, CPU))
    torch.testing.assert_close(load_file(full / "teacher.safetensors")["logits"], expected)
    kept = [*tmp_path.rglob("model.safetensors.kept")]
    teach(*files, table, subset, SETTINGS, full / "teacher.safetensors", temporary=1)
    assert len(kept) == 1 and not kept[0].exists()


def test_a_teacher_without_weight_changes_no_byte(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    plain = run(encoded, tiny, tmp_path / "plain")
    outputs = torch.randn(len(rows_of(encoded)), 2)
    taught = taught_run(encoded, tiny, tmp_path / "taught", outputs, teacher=HALF | {"weight": 0.0})
    for name in ("predictions.parquet", "model.safetensors"):
        assert (plain / name).read_bytes() == (taught / name).read_bytes()
    changed = taught_run(encoded, tiny, tmp_path / "changed", outputs, teacher=HALF)
    assert (plain / "predictions.parquet").read_bytes() != (changed / "predictions.parquet").read_bytes()
    record = json.loads((changed / "record.json").read_text())
    assert record["settings"]["teacher"] == HALF and "teacher" in record["inputs_sha256"]
    assert "teacher" not in json.loads((plain / "record.json").read_text())["settings"]


def test_who_learns_from_a_teacher_alone_says_what_it_says(encoded: Path, tiny: Path, tmp_path: Path) -> None:
    wrong = 5 * (1 - labels_of(encoded))  # each example is of the other class
    settings = {"epochs": 8, "teacher": HALF | {"weight": 1.0}}
    taught = taught_run(encoded, tiny, tmp_path / "taught", wrong, **settings)
    table = pd.read_parquet(taught / "predictions.parquet")
    right = np.stack(table["logits"].tolist()).argmax(axis=1) == table["label"]
    assert right.mean() < 0.3  # 0.5 is chance


@pytest.mark.parametrize("change", [lambda said: said[1:], lambda said: said[:, :1]])
def test_outputs_of_another_training_are_refused(encoded: Path, tiny: Path, tmp_path: Path, change: Any) -> None:
    with pytest.raises(UserError, match=r"teacher.safetensors: not the outputs of a teacher for these .*; delete"):
        taught_run(
            encoded, tiny, tmp_path / "a", change(torch.zeros(len(rows_of(encoded)), 2)).contiguous(), teacher=HALF
        )
    assert not (tmp_path / "a/record.json").exists()
    save_file({"other": torch.zeros(3)}, tmp_path / "none.safetensors")
    with pytest.raises(UserError, match=r"none.safetensors: not the outputs of a teacher .*'logits'"):
        data = Encoded.read(encoded / "encoded.parquet")
        Teacher.read(tmp_path / "none.safetensors", data, np.array([0]), 2, HALF, CPU.device)

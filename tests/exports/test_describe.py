"""What is said of an exported model, from runs that never were."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up_runs import SIZES, score_of, verdicts

from supertickets.errors import UserError
from supertickets.experiment.paths import run_folder, ticket_file
from supertickets.exports.describe import describe_export, scores_of

GROUP = {"model": "minilm", "task": "movie", "train_size": 64, "kind": "winning"}
ORIGINS = {"model": {"source": "a package", "licence": "Apache-2.0"}, "data": {"source": "files of the user's own"}}


def described(
    results: Path, folder: Path, group: dict[str, Any], metrics: list[str], int8: Path | None = None, **run: Any
) -> dict[str, Any]:
    """The content of ``verdict.json``, of a run that stands for the repeated one."""
    run = {**group, "seed": 2, "ratio": 0.1, "draw": 1} | run
    run["kind"] = "winning" if run["ratio"] else "full"
    where = results / run_folder(run)
    for name in ("record.json", "predictions.parquet"):
        if not (folder / name).exists():
            shutil.copy(where / name, folder)
    record = json.loads((folder / "record.json").read_text())
    told = {"precision": "bf16", "versions": {"torch": "2.13.0"}}
    (folder / "record.json").write_text(json.dumps(record | told))
    if run["ratio"]:
        shutil.copy(results / ticket_file(run), folder / "ticket.json")
    else:
        (folder / "ticket.json").write_text('{"heads_per_layer": 3, "heads": [[0, 1, 2], [0, 1, 2]], "ffn": [0, 1]}')
    files = {name: folder / f"{name}.{ending}" for name, ending in (("record", "json"), ("predictions", "parquet"))}
    describe_export(
        results, SIZES, group, metrics, "super" if run["ratio"] else "full", ORIGINS, pairs=0, max_length=64,
        ticket=folder / "ticket.json", verdict=folder / "verdict.json", card=folder / "README.md", int8=int8, **files,
    )  # fmt: skip
    return json.loads((folder / "verdict.json").read_text())


def test_scores_are_those_of_the_run_beside_the_means(results: Path, tmp_path: Path) -> None:
    content = described(results, tmp_path, GROUP, ["accuracy", "matthews"])
    assert content["differs_from_run"] == 0 and content["run"]["seed"] == 2 and content["seeds"] == 3
    told = verdicts(results).loc["movie"]
    assert content["verdict"] == told["verdict"] and content["split"] == told["split"] == "test"
    assert content["gain"]["difference"] == told["difference_other_seeds"]
    assert [(row["split"], row["metric"]) for row in content["scores"]] == [
        (split, metric) for split in ("test", "validation") for metric in ("accuracy", "matthews")
    ]
    for row in content["scores"]:
        where = {"metric": row["metric"], "split": row["split"], "task": "movie"}
        assert row["value"] == pytest.approx(score_of(results, **where, seed=2, ratio=0.1))
        of_seeds = [score_of(results, **where, seed=seed, ratio=0.1) for seed in (1, 2, 3)]
        assert row["mean"] == pytest.approx(np.mean(of_seeds))
        half = 4.302653 * np.std(of_seeds, ddof=1) / np.sqrt(3)
        ends = row["mean"] - half, min(row["mean"] + half, 100)
        assert (row["mean_low"], row["mean_high"]) == pytest.approx(ends)
        full = [score_of(results, **where, seed=seed, ratio=0.0, kind="full") for seed in (1, 2, 3)]
        assert row["full"] == pytest.approx(np.mean(full))
        assert row["low"] < row["value"] < row["high"] and row["examples"] == 200
    card = (tmp_path / "README.md").read_text()
    accuracy = next(row for row in content["scores"] if row["split"] == "test")
    assert card.startswith(
        "---\nlibrary_name: transformers\npipeline_tag: text-classification\nlicense: apache-2.0\n---\n"
    )
    assert f"accuracy on test: {accuracy['value']:.1f} ({accuracy['low']:.1f} to {accuracy['high']:.1f})." in card
    assert told["verdict"] in card and "Licence: not known here." in card and "the best of 3 on validation" in card
    assert "    1  ###    #\n    2  ..#    #\n" in card  # seed 2 keeps one head of the second layer, and both blocks
    assert "its outputs differ" not in card and "{" not in card


def test_a_full_model_of_a_regression_without_a_test_part(results: Path, tmp_path: Path) -> None:
    content = described(results, tmp_path, GROUP | {"task": "rating"}, ["pearson", "spearman"], ratio=0.0)
    assert content["which"] == "full" and content["scores"][0]["value"] > 30
    card = (tmp_path / "README.md").read_text()
    assert "# rating: full model of minilm" in card and "| test | pearson | 200 |" in card
    (tmp_path / "dev").mkdir()
    content = described(results, tmp_path / "dev", GROUP | {"task": "dev_only"}, ["accuracy"])
    assert content["split"] == "validation" and {row["split"] for row in content["scores"]} == {"validation"}


def test_a_training_that_came_out_otherwise_is_said_so(results: Path, tmp_path: Path) -> None:
    described(results, tmp_path, GROUP, ["accuracy"])
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    table["logits"] = [logits + np.array([0.25, 0.0]) for logits in table["logits"]]
    table.to_parquet(tmp_path / "predictions.parquet")
    assert described(results, tmp_path, GROUP, ["accuracy"])["differs_from_run"] == 0.25
    assert "its outputs differ from those of the run by up to 0.2" in (tmp_path / "README.md").read_text()
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(UserError, match=r"record.json: not as it was written: no 'run'; delete it"):
        described(results, tmp_path, GROUP, ["accuracy"])


def test_the_card_says_how_fast_the_model_is_and_on_what(results: Path, tmp_path: Path) -> None:
    content = described(results, tmp_path, GROUP, ["accuracy"], ratio=0.1)
    measured = content["latency"]["measured"]
    assert len(measured) == 2 * 2 * 2 and content["latency"]["machine"]["processor"] == "A processor"
    assert {row["speedup"] for row in measured} == {1 / 0.9} and "int8" not in content
    row = next(row for row in measured if (row["threads"], row["batch_size"], row["length"]) == (4, 32, 128))
    assert row["milliseconds"] == 32 * 128 * 0.9 / 4
    card = (tmp_path / "README.md").read_text()
    assert "| torch on 4 CPU threads | 32 | 128 | 921.60 (829.44 to 1013.76) | 1.11 (1.00 to 1.22) |" in card
    assert "Measured on A processor (4 cores), float32, torch 2.13.0; other machines" in card
    assert "In int8" not in card
    (tmp_path / "full").mkdir()
    described(results, tmp_path / "full", GROUP, ["accuracy"], ratio=0.0)
    card = (tmp_path / "full/README.md").read_text()
    assert "| one CPU thread |" not in card and "speed-up" not in card and "full model's time over it" not in card
    assert "| torch on one CPU thread | 1 | 32 | 32.00 (28.80 to 35.20) |" in card


def test_the_card_says_what_int8_score_where_that_is_asked_for(results: Path, tmp_path: Path) -> None:
    told = {"split": "test", "metric": "accuracy", "examples": 200, "value": 81.5, "low": 76.0, "high": 87.0}
    told |= {"difference": -0.5, "difference_low": -1.5, "difference_high": 0.5, "bytes": 10, "bytes_of_float": 40}
    (tmp_path / "int8.json").write_text(json.dumps(told))
    content = described(results, tmp_path, GROUP, ["accuracy"], int8=tmp_path / "int8.json")
    assert content["int8"] == told
    words = "it scores 81.5 (76.0 to 87.0), -0.5 (-1.5 to +0.5) points from this model (accuracy, test)."
    assert f"In int8 (`model.int8.onnx`) {words}" in (tmp_path / "README.md").read_text()
    (tmp_path / "int8.json").write_text("{}")
    with pytest.raises(UserError, match=r"int8.json: not as it was written: no 'split'; delete it"):
        described(results, tmp_path, GROUP, ["accuracy"], int8=tmp_path / "int8.json")


def test_intervals_are_over_documents_where_there_are_any() -> None:
    names = [f"d{row // 20}_{row}" for row in range(200)]
    right = np.repeat(np.random.default_rng(1).random(10) < 0.5, 20)  # whole documents are right or wrong
    labels = np.tile([0.0, 1.0], 100)
    logits = list(np.where((labels == 1) == right, 1.0, -1.0)[:, None] * [-0.5, 0.5])
    own = pd.DataFrame({"id": names, "split": "test", "label": labels, "logits": logits})
    rows = [{"split": "test", "metric": "accuracy", "ratio": ratio, "value": 50.0, "seed": 1} for ratio in (0.0, 0.1)]
    of_examples, of_documents, of_one = (
        scores_of(own, pd.DataFrame(rows), 0.1, ["accuracy"], separator)[0] for separator in ("", "_", "d")
    )
    assert of_documents["high"] - of_documents["low"] > 3 * (of_examples["high"] - of_examples["low"])
    assert np.isnan([of_one["low"], of_one["high"]]).all() and of_one["value"] == of_examples["value"]

"""The super ticket of a finished experiment, exported: texts in, the run's outputs out."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from conftest import Workspace, new_workspace, tiny_config
from transformers import AutoTokenizer

from supertickets.evaluation.best_run import exported_run
from supertickets.experiment.paths import run_folder
from supertickets.exports.folder import load


@pytest.mark.slow
def test_an_export_computes_what_the_chosen_run_predicted(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "project", tiny_config(precision="fp32", ratios=[0.6]))
    exports = workspace.folder / "results/exports/tiny"
    wanted = [("toy", "super"), ("toy", "full"), ("toy_value", "super")]
    targets = [f"results/exports/tiny/{task}/{which}/README.md" for task, which in wanted]
    targets += [f"results/exports/tiny/{task}/{which}/cut/config.json" for task, which in wanted]
    workspace.make(*targets)
    for task, which in wanted:
        folder = exports / task / which
        verdict = json.loads((folder / "verdict.json").read_text())
        group = {"model": "tiny", "task": task, "train_size": 32, "kind": "winning"}
        grid = {"seeds": [1, 2], "ratios": [0.6], "draws": {"winning": 1}}
        metric = {"toy": "accuracy", "toy_value": "pearson"}[task]
        run = exported_run(workspace.folder / "results", grid, group, metric, which)
        assert verdict["run"] == run and (run["ratio"] > 0) == (which == "super")
        assert verdict["differs_from_run"] == 0 and verdict["chance"] is not None
        predictions = pd.read_parquet(workspace.folder / "results" / run_folder(run) / "predictions.parquet")
        examples = pd.read_parquet(workspace.folder / f"results/tasks/{task}.parquet").set_index("id")
        texts = examples.loc[predictions["id"], "text"].tolist()
        for form in ("dense", "cut"):
            model, tokenizer = load(folder / form), AutoTokenizer.from_pretrained(folder / form)
            with torch.inference_mode():
                logits = model(**tokenizer(texts, padding=True, truncation=True, return_tensors="pt")).logits
            np.testing.assert_allclose(logits, np.stack(predictions["logits"].tolist()), rtol=1e-5, atol=1e-5)
        assert [*model.config.id2label.values()] == (["no", "yes"] if task == "toy" else ["toy_value"])
        assert not [*(folder / "run").rglob("*.safetensors*")]  # they are in dense/ and cut/
        assert "## Speed" in (folder / "README.md").read_text() and verdict["latency"]["measured"]
        assert {path.name for path in folder.iterdir()} == {"dense", "cut", "verdict.json", "README.md", "run"}
    assert workspace.planned(*targets) == {}
    if find_spec("onnx") is None:
        predictions = "results/int8/tiny/toy/seed1/super/predictions.parquet"
        workspace("--keep-going", "results/exports/tiny/toy/super/model.int8.onnx", predictions)
        for path in (exports / "toy/super/run/onnx.log", (workspace.folder / predictions).with_name("train.log")):
            assert path.read_text().splitlines()[-1].startswith("Error: ONNX needs onnx,")
        assert workspace.planned(*targets) == {}
    else:
        workspace.configure(
            tiny_config(precision="fp32", ratios=[0.6], latency={"backends": ["torch", "int8"], "lengths": [8]})
        )
        workspace.make("results/exports/tiny/toy/super/README.md", "results/exports/tiny/toy/super/model.int8.onnx")
        card = (exports / "toy/super/README.md").read_text()
        assert "In int8 (`model.int8.onnx`) it scores" in card and "int8 on one CPU thread" in card
        in_int8(workspace)


def in_int8(workspace: Workspace) -> None:
    """All seeds in int8 predict what the export of one of them does, and are compared."""
    table, export = "results/int8/tiny/toy.csv", "results/exports/tiny/toy/full/int8.json"
    workspace.make(table, export)
    assert workspace.planned(table) == {}
    folder = workspace.folder / "results"
    seed = json.loads((folder / "exports/tiny/toy/full/verdict.json").read_text())["run"]["seed"]
    rows = pd.read_parquet(folder / f"int8/tiny/toy/seed{seed}/full/predictions.parquet").query("split == 'test'")
    right = np.stack(rows["logits"].tolist()).argmax(1) == rows["label"]
    assert json.loads((workspace.folder / export).read_text())["value"] == pytest.approx(100 * right.mean())
    for path in folder.glob("int8/tiny/toy/seed*/*/predictions.parquet"):
        assert {each.name for each in path.parent.iterdir()} == {"predictions.parquet", "train.log", "benchmark.tsv"}
        run = folder / f"runs/tiny/toy/n32/{path.parts[-3]}/full/predictions.parquet"
        assert pq.read_schema(path).equals(pq.read_schema(run))
        own, of_run = pd.read_parquet(path), pd.read_parquet(run)
        pd.testing.assert_frame_equal(own.drop(columns="logits"), of_run.drop(columns="logits"))
    compared = pd.read_csv(workspace.folder / table)
    assert compared["way"].tolist() == ["full", "super"] and compared["difference"].notna().all()

"""Rivals in a workflow: trained as any full model, compared, and added to an experiment without training it again."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from conftest import Workspace, small_config

TABLE, WORTH = "results/tables/rivals.csv", "results/tables/worth.csv"


def with_rivals(**changes: object) -> dict[str, object]:
    """The small experiment on one task, with two encoders that are the tiny one with fewer layers."""
    config = small_config(tasks=["toy"], **changes)
    config["define"]["models"] |= {
        "tiny_first": {"like": "tiny", "layers": 1},
        "tiny_outer": {"like": "tiny", "layers": [0, 2]},
    }
    return config


@pytest.mark.slow
def test_rivals_are_added_to_an_experiment(workspace: Workspace) -> None:
    before = workspace.predictions()
    workspace.configure(with_rivals(rivals=["tiny_first", "tiny_outer"]))
    planned = workspace.planned(TABLE)
    new = {"prepare_model": 2, "tokenise": 2, "finetune": 2, "compare_rivals": 1, "write_table": 1}
    assert planned == new
    workspace.make(TABLE, "results/figures/rivals.pdf", WORTH)
    assert workspace.planned(WORTH) == {}
    after = workspace.predictions()
    assert {path: after[path] for path in before} == before
    trained = {path: content for path, content in after.items() if "/tiny_" in path}
    assert len(trained) == 2 and not [*workspace.folder.glob("results/runs/tiny_*/*/*/*/importance")]
    assert not [*workspace.folder.glob("results/runs/tiny_*/**/*.safetensors*")]  # nobody asks for the weights
    table = pd.read_csv(workspace.folder / TABLE)
    full = json.loads((workspace.folder / "results/runs/tiny/toy/n32/seed1/full/record.json").read_text())
    for rival, rows in table.groupby("rival"):
        path = workspace.folder / f"results/runs/{rival}/toy/n32/seed1/full/record.json"
        parameters = json.loads(path.read_text())["parameters"]
        assert set(rows["parameters"]) == {parameters}
        assert rows["weight"].unique().tolist() == [parameters / full["parameters"]]
        shape = json.loads((workspace.folder / f"results/pretrained/{rival}/shape.json").read_text())
        assert parameters == shape["parameters"] + 2 * (shape["hidden"] + 1)  # with the task head
    latency = pd.read_csv(workspace.folder / "results/latency/tiny/toy.csv")
    assert set(latency["variant"]) == {"tiny", "tiny-0.60", "tiny_first", "tiny_outer"}
    worth = pd.read_csv(workspace.folder / WORTH).set_index("candidate")
    assert worth.index.tolist() == ["the super ticket", "the first layer", "layers 1 and 3"]
    assert set(worth["answer"]) == {"no answer from one seed"} and worth["speedup_low"].notna().all()
    # The same trainings as those of a model.
    workspace.configure(with_rivals(models=["tiny", "tiny_outer"]))
    path = "results/runs/tiny_outer/toy/n32/seed1/full/record.json"
    assert workspace.planned(path) == {}


def test_a_model_without_rivals_has_no_comparison(workspace: Workspace) -> None:
    done = workspace("--dry-run", "results/rivals/tiny/toy.csv")
    assert done.returncode != 0 and "tiny has no rivals" in done.stdout + done.stderr

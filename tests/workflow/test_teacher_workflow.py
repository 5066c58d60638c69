"""A kind whose tickets learn from the full model, in a workflow."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from conftest import Workspace, small_config

TABLE = "results/tables/contrasts.csv"


def with_teacher(**settings: Any) -> dict[str, object]:
    """The small experiment on one task, with a kind that has a teacher."""
    config = small_config(tasks=["toy"], kinds=["winning", "taught"])
    config["define"]["kinds"] = {"taught": {"teacher": "full", **settings}}
    return config


@pytest.mark.slow
def test_tickets_with_a_teacher_are_compared_with_those_without(workspace: Workspace) -> None:
    before = workspace.predictions()
    workspace.configure(with_teacher())
    workspace.make(TABLE)
    after = workspace.predictions()
    assert {path: after[path] for path in before} == before
    folder = workspace.folder / "results/runs/tiny/toy/n32/seed1"
    own, taught = (json.loads((folder / f"tickets/{kind}-0.60.json").read_text()) for kind in ("winning", "taught"))
    assert {key: own[key] for key in ("heads", "ffn")} == {key: taught[key] for key in ("heads", "ffn")}
    record = json.loads((folder / "taught-0.60/record.json").read_text())
    assert record["settings"]["teacher"] == {"temperature": 2.0, "weight": 0.5}
    assert "teacher" not in json.loads((folder / "winning-0.60/record.json").read_text())["settings"]
    assert not (folder / "full/model.safetensors").exists() and (folder / "full/teacher.safetensors").exists()
    (row,) = pd.read_csv(workspace.folder / TABLE).query("reported").to_dict("records")
    assert row["kind"] == "taught"
    assert workspace.planned(TABLE) == {}
    # Another weight trains the tickets of that kind alone, which are the same.
    workspace.configure(with_teacher(teacher_weight=0.25))
    assert workspace.planned(TABLE) == {"rewind": 1, "retrain": 1, "contrast_group": 1, "write_table": 1}

"""Experiments on tasks of GLUE: from a hub and then with the network cut off, and up to what its server takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import WORDS, new_workspace, tiny_config, write_tiny_model
from hub_server import serving
from made_up_downloads import write_rte

from supertickets.evaluation.best_run import exported_run
from supertickets.experiment.paths import run_folder
from supertickets.submission.archive import validate_submission
from supertickets.submission.predict import predict_for_server

COMMIT = "c3" * 20
FIGURE = "results/figures/phase_transition.pdf"
#: A process of its own without any network, not even loopback.
CUT_OFF = ["unshare", "--user", "--map-root-user", "--net"]


def write_hub(root: Path) -> None:
    """The tiny model, and pairs of sentences that are alike or not, as a hub has them."""
    write_tiny_model(root / "models/org/tiny" / COMMIT)
    random = np.random.default_rng(0)
    folder = root / "datasets/org/pairs" / COMMIT
    folder.mkdir(parents=True)
    for split, count in (("train", 48), ("validation", 24), ("test", 6)):
        labels = np.arange(count) % 2
        first = [" ".join(random.choice(WORDS[6:], 4)) + f" {WORDS[label * 3]}" for label in labels]
        second = [" ".join(random.choice(WORDS[6:], 3)) for _ in labels]
        table = pd.DataFrame({"one": first, "two": second, "label": labels if split != "test" else -1})
        table.to_parquet(folder / f"{split}-00000-of-00001.parquet")


def config() -> dict[str, Any]:
    tiny = tiny_config(models=["remote"], tasks=["pairs"], ratios=[0.6])
    parts = {"train": "train", "validation": "validation", "test_unlabelled": "test"}
    columns = {"text": "one", "text_pair": "two", "target": "label"}
    hub = {"dataset": "org/pairs", "revision": COMMIT, "columns": columns, "numbered": True, "parts": parts}
    pairs = {"hub": hub, "type": "classification", "labels": ["alike", "other"], "metrics": ["accuracy"]}
    tiny["define"] = {"models": {"remote": {"hub": "org/tiny", "revision": COMMIT}}, "tasks": {"pairs": pairs}}
    return tiny


@pytest.mark.slow
def test_after_the_downloads_nothing_needs_the_network(tmp_path: Path) -> None:
    write_hub(tmp_path / "hub")
    workspace = new_workspace(tmp_path / "project", config())
    (tmp_path / "home").mkdir()
    home = {"HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    with serving(tmp_path / "hub") as hub:
        output = workspace.make("fetch_all", HF_ENDPOINT=hub.url, **home)
        assert "fetch_hub_model" in output and "fetch_hub_dataset" in output and "tokenise" not in output
        assert hub.requests
    if subprocess.run([*CUT_OFF, "true"], check=False, capture_output=True).returncode:
        # Namespaces are a permission of the system; the downloads above have been tested by then.
        pytest.skip("this system lets no test cut itself off from the network")
    command = [*CUT_OFF, sys.executable, "-m", "snakemake", "--cores", "2", FIGURE, "results/tables/tasks.csv"]
    done = subprocess.run(
        command, cwd=workspace.folder, env=os.environ | home, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (task,) = pd.read_csv(workspace.folder / "results/tables/tasks.csv").to_dict("records")
    assert (task["train"], task["validation"], task["test"], task["left_out"]) == (48, 24, 0, 0)
    scores = pd.concat(map(pd.read_parquet, (workspace.folder / "results/scores").rglob("*.parquet")))
    assert set(scores["split"]) == {"validation"} and set(scores["examples"]) == {24}
    # What is there is not fetched again, and another commit is.
    assert workspace.planned("fetch_all") == {}
    changed = config()
    changed["define"]["models"]["remote"]["revision"] = "d4" * 20
    workspace.configure(changed)
    assert workspace.planned("fetch_all") == {"fetch_hub_model": 1, "fetch_all": 1}
    by_seed = dict.fromkeys(("finetune", "score_units", "prune", "rewind", "retrain"), 2)
    collected = ("score_group", "compare_group", "select_ticket", "draw_figure")
    once = dict.fromkeys(("fetch_hub_model", "prepare_model", "tokenise", *collected), 1)
    assert workspace.planned(FIGURE) == by_seed | once  # all that is trained from it, on the same data and subsets


@pytest.mark.slow
def test_a_submission_is_what_the_chosen_run_predicts(tmp_path: Path) -> None:
    write_rte(tmp_path / "GLUE", {"train": 40, "dev": 24, "test": 3000})
    tiny = tiny_config(tasks=["rte"], ratios=[0.3, 0.6], glue=str(tmp_path / "GLUE"))
    workspace = new_workspace(tmp_path / "project", tiny)
    targets = [
        f"results/submissions/tiny-{which}.{suffix}" for which in ("full", "super") for suffix in ("zip", "json")
    ]
    workspace.make(*targets)
    results = workspace.folder / "results"
    for which in ("full", "super"):
        archive = results / f"submissions/tiny-{which}.zip"
        assert validate_submission(archive) == []
        contents = json.loads(archive.with_suffix(".json").read_text())
        assert contents["RTE.tsv"]["source"] == "predicted"
        assert all("filler" in file["source"] for name, file in contents.items() if name != "RTE.tsv")
    # It is the run with the best validation score: trained again, that predicts what it predicted.
    group = {"model": "tiny", "task": "rte", "train_size": 32, "kind": "winning"}
    grid = {"seeds": [1, 2], "ratios": [0.3, 0.6], "draws": {"winning": 1}}
    run = exported_run(results, grid, group, "accuracy", "super")
    scores = pd.read_parquet(results / "scores/tiny/rte/n32/winning.parquet")
    of_ratio = scores[(scores["ratio"] == run["ratio"]) & (scores["split"] == "validation")]
    assert run["ratio"] == pd.read_csv(results / "selections/tiny/rte/n32/winning.csv")["ratio"].item() > 0
    assert of_ratio.loc[of_ratio["seed"] == run["seed"], "value"].item() == of_ratio["value"].max()
    known = pd.read_parquet(results / run_folder(run) / "predictions.parquet")
    settings = json.loads((results / run_folder(run) / "record.json").read_text())["settings"]
    predict_for_server(
        results, grid, group, "accuracy", "super", settings, results / "submissions/encoded/tiny/rte.parquet",
        tmp_path / "again.parquet",
    )  # fmt: skip
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "again.parquet"), known)
    assert sorted(path.name for path in tmp_path.glob("again*")) == ["again.checkpoint.finished", "again.parquet"]
    # Files of another folder are other data.
    (tmp_path / "GLUE").rename(tmp_path / "moved")
    workspace.configure(tiny | {"glue": str(tmp_path / "moved")})
    trainings = {"finetune": 2, "score_units": 2, "prune": 4, "rewind": 4, "retrain": 4}
    collected = {"score_group": 1, "compare_group": 1, "select_ticket": 1, "draw_figure": 1}
    assert workspace.planned(FIGURE) == {"prepare_task": 1, "tokenise": 1, "subsample": 2} | trainings | collected

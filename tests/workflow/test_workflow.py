"""The workflow as a whole on a tiny experiment: what it makes, what runs again, how it fails."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import pairwise, product
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from browser import BROWSER, opened
from conftest import ADAPTED, FIGURE, FIGURES, PROJECT, TABLES, Workspace, files_of, shown, small_config, tiny_config
from safetensors.numpy import load_file

TRIAL = "results/runs/tiny/toy/n32/seed1"


@pytest.mark.slow
def test_the_results_lie_where_they_are_promised(complete: Workspace) -> None:
    made = {str(path.relative_to(complete.folder)) for path in complete.folder.glob("results/**/*") if path.is_file()}
    for name in ("full", "winning-0.30", "winning-0.60"):
        assert {f"{TRIAL}/{name}/record.json", f"{TRIAL}/{name}/predictions.parquet"} <= made
    assert {f"{TRIAL}/importance/fine_tuned.csv", f"{TRIAL}/tickets/winning-0.30.json"} <= made
    assert {"results/scores.parquet", "results/scores.csv", "results/comparisons.csv", "results/verdicts.csv"} <= made
    # One kind and one size: what is of several would show nothing of its own.
    several = {"ticket_kinds", "phases", "contrasts", "data_size"}
    assert shown(complete) == files_of((FIGURES | TABLES) - several - ADAPTED)
    assert not [name for name in made if name.startswith("results/runs") and name.endswith(".safetensors")]
    assert len(complete.predictions()) == 2 * 2 * 3

    scores = pd.read_csv(complete.folder / "results/scores.csv")
    assert len(scores) == 2 * 3 * 2 * (2 + 2)  # seeds, tickets, splits, metrics of the two tasks
    tickets = pd.read_csv(complete.folder / "results/tables/super_tickets.csv")
    assert tickets["task"].tolist() == ["toy", "toy_value"]
    assert set(tickets["seeds"]) == {2} and tickets["metric"].tolist() == ["accuracy", "pearson"]


@pytest.mark.slow
def test_a_report_of_what_the_main_figure_and_its_pages_are_made_from(workspace: Workspace) -> None:
    pages = ["results/pages/start.html", "results/pages/explorer.html"]
    assert workspace.planned(FIGURE, *pages) == {"write_page": 2}
    workspace.make(FIGURE, *pages)
    assert workspace.planned(FIGURE, *pages) == {}
    for name in ("report.html", "report.zip"):
        workspace.make("--report", name)
    text = (workspace.folder / "report.html").read_text()
    said = {
        name: json.loads(re.search(rf'<script id="{name}">\s*var {name} = (.*);$', text, re.MULTILINE)[1])
        for name in ("results", "categories")
    }
    assert {*said["results"]} == {*pages, "results/figures/phase_transition.png"}
    assert all(entry["caption"] and entry["data_uri"].startswith("data:") for entry in said["results"].values())
    assert min(said["categories"]) == "Experiment" and "Begin with" in text
    if BROWSER:
        seen = opened(workspace.folder / "report.html", workspace.folder, "return document.body.innerText")
        errors = [error for error in seen["errors"] if "tailwindcss" not in error]  # a warning of Snakemake's own page
        assert errors == [] and seen["requests"] == [] and "Experiment" in seen["outcome"]
    with ZipFile(workspace.folder / "report.zip") as report:
        names = {path.rpartition("/")[2] for path in report.namelist()}
    assert names == {"report.html", "start.html", "explorer.html", "phase_transition.png"}
    # Pages take latency that is there, and measure none.
    for task, ending in product(("toy", "toy_value"), ("csv", "json")):
        path = workspace.folder / f"results/latency/tiny/{task}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert workspace.planned(*pages) == {"write_page": 2}
    for folder in ("figures", "pages"):
        shutil.rmtree(workspace.folder / "results" / folder)
    done = workspace("--report", "report.html")
    assert done.returncode != 0 and "There is nothing to report yet: make figure" in done.stdout + done.stderr


def test_every_rule_has_a_log_and_a_benchmark() -> None:
    for path in (PROJECT / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            assert "    log:" in rule and "    benchmark:" in rule, rule.partition(":")[0]


def test_scores_of_pre_trained_weights_plan_everything(workspace: Workspace) -> None:
    workspace.configure(tiny_config(pruning={"weights": "pretrained"}))
    planned = workspace.planned()
    assert planned["score_units"] and planned["train_multi_task"]  # random tickets are drawn from fine-tuned models


@pytest.mark.slow
def test_kinds_that_are_scored_and_cut_in_other_ways(large_workspace: Workspace) -> None:
    workspace = large_workspace
    config = tiny_config(tasks=["toy"], ratios=[0.6], kinds=["winning", "by_magnitude", "stepwise", "heads_only"])
    config["define"]["kinds"] = {
        "by_magnitude": {"importance": "magnitude", "weights": "pretrained"},
        "stepwise": {"steps": 3, "importance": "taylor"},
        "heads_only": {"units": "heads"},
    }
    workspace.configure(config)
    figure = "results/figures/ticket_kinds.pdf"
    # Scores of the fine-tuned weights are there, by every method: nothing is fine-tuned again.
    assert workspace.planned(figure) == {
        "score_units": 2, "prune": 6, "rewind": 6, "retrain": 6, "score_group": 4, "compare_group": 1,
        "select_ticket": 1, "draw_figure": 1,
        **{f"{rule}_step": 4 for rule in ("prune", "rewind", "retrain", "score_units")},
    }  # fmt: skip
    workspace.make(figure)
    folder = workspace.folder / TRIAL
    tickets = {kind: json.loads((folder / f"tickets/{kind}-0.60.json").read_text()) for kind in config["kinds"]}
    counts = {kind: (ticket["heads_pruned"], ticket["ffn_pruned"]) for kind, ticket in tickets.items()}
    assert counts == {"winning": (7, 1), "by_magnitude": (7, 1), "stepwise": (7, 1), "heads_only": (7, 0)}
    assert tickets["by_magnitude"]["origin"]["pruning"]["weights"] == "pretrained"
    steps = [json.loads((folder / f"steps/stepwise-0.60/{step}/ticket.json").read_text()) for step in (1, 2)]
    assert [step["origin"]["ratio"] for step in steps] == [0.2, 0.4]
    for before, after in pairwise([*steps, tickets["stepwise"]]):
        assert all(set(kept) <= set(had) for kept, had in zip(after["heads"], before["heads"], strict=True))
        assert sum(map(len, after["heads"])) < sum(map(len, before["heads"])) and set(after["ffn"]) <= set(
            before["ffn"]
        )
    assert not list(folder.rglob("*.safetensors"))
    assert workspace.planned(figure) == {}


def test_same_bytes_alone_and_in_a_sweep(workspace: Workspace) -> None:
    swept = workspace.predictions()
    target = f"{TRIAL}/winning-0.60/predictions.parquet"
    subprocess.run(["rm", "-r", workspace.folder / "results" / "runs"], check=True)
    workspace.make("--cores", "1", target)
    alone = workspace.predictions()
    assert set(alone) == {target, f"{TRIAL}/full/predictions.parquet"}
    assert alone.items() <= swept.items()


def test_kept_weights_are_the_ticket_cut_out_of_the_pretrained_ones(workspace: Workspace) -> None:
    workspace.configure(small_config(keep_weights=True))
    # The runs that are there are kept; those asked for by their weights are made again.
    assert workspace.planned(FIGURE) == {}
    before = workspace.predictions()
    workspace.make(f"{TRIAL}/winning-0.60/model.safetensors")
    assert workspace.predictions() == before
    pretrained = load_file(workspace.folder / "results/pretrained/tiny/model.safetensors")
    rewound = load_file(workspace.folder / TRIAL / "winning-0.60/rewound.safetensors")
    trained = load_file(workspace.folder / TRIAL / "winning-0.60/model.safetensors")
    assert trained.keys() == rewound.keys() | {"classifier.weight", "classifier.bias"}
    smaller = [name for name in rewound if rewound[name].size < pretrained[name].size]
    assert smaller and len(rewound) < len(pretrained)
    for name, tensor in rewound.items():
        assert trained[name].shape == tensor.shape
        assert name in smaller or np.array_equal(tensor, pretrained[name])


def test_a_broken_line_in_a_data_file(workspace: Workspace) -> None:
    path = workspace.folder / "data" / "toy.tsv"
    lines = path.read_text().splitlines()
    lines[40] = lines[40].replace("\t", " ", 1)
    path.write_text("\n".join(lines))
    target, log = "results/tasks/toy.parquet", "results/logs/prepare_task/toy.log"
    done = workspace(target)
    message = "Error: data/toy.tsv, line 41: 3 fields, expected 4"
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert message in (workspace.folder / log).read_text().strip().splitlines()[-1]
    assert not (workspace.folder / target).exists()

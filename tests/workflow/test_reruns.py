"""What runs again after a change, and what does not: a test for each line of the table in ARCHITECTURE.md."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Workspace, tiny_config
from safetensors.numpy import load_file, save_file

FIGURE = "results/figures/phase_transition.pdf"
#: What follows the trainings of one task, or of both, up to the figure.
COLLECT_ONE = {"score_group": 1, "select_ticket": 1, "draw_figure": 1}
COLLECT = {"score_group": 2, "select_ticket": 2, "draw_figure": 1}
#: Jobs of one task: two seeds, two ratios.
TICKETS = {"prune": 4, "rewind": 4, "retrain": 4}
ONE_TASK = {"finetune": 2, "score_units": 2, **TICKETS}


def edit(workspace: Workspace, module: str, before: str = "", after: str = "\nEDITED = 1\n") -> None:
    """Replace words of a library module, or add a statement that changes nothing."""
    path = workspace.folder / "workflow" / "supertickets" / module
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1) if before else text + after)


def test_a_second_call_does_nothing(workspace: Workspace) -> None:
    assert workspace.planned() == {}


def test_touching_every_file_reruns_nothing(workspace: Workspace) -> None:
    later = time.time() + 60
    for path in workspace.folder.rglob("*"):
        if path.is_file() and "results" not in path.parts and ".snakemake" not in path.parts:
            os.utime(path, (later, later))
    assert workspace.planned() == {}


@pytest.mark.parametrize("copied", [["results", "data"], ["results", "data", ".snakemake"]], ids=len)
def test_results_copied_to_a_fresh_checkout_rerun_nothing(
    workspace: Workspace, tmp_path: Path, copied: list[str]
) -> None:
    clone = Workspace(tmp_path / "a clone")
    clone.folder.mkdir()
    for name in ("Snakefile", "config.yaml", "workflow", "profiles"):
        subprocess.run(["cp", "-r", workspace.folder / name, clone.folder], check=True)
    subprocess.run(["cp", "-a", *(workspace.folder / name for name in copied), clone.folder], check=True)
    assert clone.planned() == {}


def test_conda_environments_rerun_nothing(workspace: Workspace, tmp_path: Path) -> None:
    answers = {"conda_prefix": str(tmp_path), "root_prefix": str(tmp_path), "platform": "linux-64", "envs": []}
    answer = json.dumps(answers | {"get": {"channel_priority": "strict"}})
    (tmp_path / "bin").mkdir()
    conda = tmp_path / "bin/conda"
    conda.write_text(f"#!/bin/sh\ncase \"$*\" in *version*) echo conda 25.1.0;; *) echo '{answer}';; esac\n")
    conda.chmod(0o755)
    output = workspace.make("--dry-run", "--sdm", "conda", PATH=f"{conda.parent}:{os.environ['PATH']}")
    assert "Nothing to be done" in output, output


def test_another_learning_rate_for_one_task_reruns_that_task(workspace: Workspace) -> None:
    workspace.configure(tiny_config(training_overrides={"toy": {"learning_rate": 0.02}}))
    assert workspace.planned(FIGURE) == ONE_TASK | COLLECT_ONE


def test_settings_in_another_order_rerun_nothing(workspace: Workspace) -> None:
    config = tiny_config()
    config["training"] = dict(reversed(config["training"].items()))
    workspace.configure(dict(reversed(config.items())))
    assert workspace.planned() == {}


def test_one_more_ratio_adds_its_own_jobs_only(workspace: Workspace) -> None:
    workspace.configure(tiny_config(ratios=[0.3, 0.45, 0.6]))
    assert workspace.planned(FIGURE) == {"prune": 4, "rewind": 4, "retrain": 4} | COLLECT
    before = workspace.predictions()
    workspace.make(FIGURE)
    after = workspace.predictions()
    assert len(after) == len(before) + 4 and before.items() <= after.items()


def test_one_more_seed_adds_its_own_jobs_only(workspace: Workspace) -> None:
    workspace.configure(tiny_config(seeds=[1, 2, 3]))
    expected = {"subsample": 2, "finetune": 2, "score_units": 2, "prune": 4, "rewind": 4, "retrain": 4}
    assert workspace.planned(FIGURE) == expected | COLLECT


@pytest.mark.parametrize(
    ("module", "jobs"),
    [
        ("report/figures/phase_transition.py", {"draw_figure": 1}),
        ("report/figures/style.py", {"draw_figure": 1}),
        ("evaluation/select_ticket.py", {"select_ticket": 2, "draw_figure": 1}),
        ("evaluation/evaluate_module.py", {"score_group": 2, "draw_figure": 1}),
        ("evaluation/metrics/pearson.py", {"score_group": 1, "select_ticket": 1, "draw_figure": 1}),
        ("encoder/rewind.py", {"rewind": 8, "retrain": 8} | COLLECT),
        ("tickets/prune.py", {"prune": 8, "rewind": 8, "retrain": 8} | COLLECT),
        ("tickets/kinds/winning.py", {"prune": 8, "rewind": 8, "retrain": 8} | COLLECT),
        ("training/loop.py", {rule: 2 * count for rule, count in ONE_TASK.items()} | COLLECT),
        ("encoder/cut.py", {rule: 2 * count for rule, count in ONE_TASK.items()} | COLLECT),
        # The fine-tuned weights that are scored are temporary, so they are made again.
        (
            "tickets/methods/sensitivity.py",
            {"finetune": 4, "score_units": 4, "prune": 8, "rewind": 8, "retrain": 8} | COLLECT,
        ),
        ("experiment/config.py", {}),
    ],
)
def test_an_edit_of_a_statement_reruns_the_stages_that_use_the_module_and_what_follows(
    workspace: Workspace, module: str, jobs: dict[str, int]
) -> None:
    edit(workspace, module)
    assert workspace.planned(FIGURE) == jobs


def test_words_and_what_keeps_a_job_safe_rerun_nothing(workspace: Workspace) -> None:
    edit(workspace, "training/loop.py", '"""Train', '"""Teach')  # a docstring
    edit(workspace, "encoder/cut.py", "from __future__", "# A comment.\n\nfrom __future__")
    edit(workspace, "training/loop.py", "training diverged: the loss", "the training has diverged: its loss")
    edit(workspace, "errors.py")
    edit(workspace, "jobs/locks.py")
    edit(workspace, "jobs/gpus.py")
    edit(workspace, "__main__.py")
    assert workspace.planned() == {}


def test_a_score_kind_or_metric_that_nothing_uses_reruns_nothing(workspace: Workspace) -> None:
    library = workspace.folder / "workflow" / "supertickets"
    for folder, like in (("tickets/methods", "taylor"), ("tickets/kinds", "losing"), ("evaluation/metrics", "f1")):
        (library / folder / "new.py").write_text((library / folder / f"{like}.py").read_text() + "\nNEW = 1\n")
    schema = workspace.folder / "workflow" / "schemas" / "config.schema.yaml"
    text = schema.read_text()
    for before in ("[sensitivity, ", "[winning, losing, ", "[accuracy, f1, "):
        assert before in text
        text = text.replace(before, f"[new, {before[1:]}")
    schema.write_text(text)
    assert workspace.planned() == {}


def test_other_data_reruns_its_task_only(workspace: Workspace) -> None:
    config = tiny_config()
    config["define"]["tasks"]["toy"]["split"] = {"seed": 9}
    workspace.configure(config)
    assert workspace.planned(FIGURE) == {"prepare_task": 1, "tokenise": 1, "subsample": 2} | ONE_TASK | COLLECT_ONE
    workspace.configure(tiny_config())
    with (workspace.folder / "data" / "toy.tsv").open("a") as stream:
        stream.write("s999\tgood film\tyes\t1\n")
    assert workspace.planned(FIGURE)["prepare_task"] == 2


@pytest.mark.parametrize(
    "arguments",
    [["--cores", "1"], ["--profile", "profiles/default"], ["--profile", "profiles/gpu"]]
    + [["--config", setting] for setting in ("keep_weights=True", "checkpoint_minutes=3", "glue=data")],
    ids=" ".join,
)
def test_how_it_is_run_reruns_nothing(workspace: Workspace, arguments: list[str]) -> None:
    assert workspace.planned(*arguments) == {}


ALL_TRAININGS = {rule: 2 * count for rule, count in ONE_TASK.items()} | COLLECT


@pytest.mark.parametrize(
    ("change", "jobs"),
    [
        ({"pruning": {"importance": "taylor"}}, {rule: 2 * count for rule, count in TICKETS.items()} | COLLECT),
        ({"pruning": {"units": "heads"}}, {rule: 2 * count for rule, count in TICKETS.items()} | COLLECT),
        ({"evaluate": {"validation": "all", "test": 10}}, ALL_TRAININGS),
        ({"precision": "bf16"}, ALL_TRAININGS),
        ({"device": "auto"}, ALL_TRAININGS),
        ({"threads": 2}, ALL_TRAININGS),
        ({"max_length": 12}, {"tokenise": 2} | ALL_TRAININGS),
        ({"training_overrides": {"tiny": {"epochs": 1}}}, ALL_TRAININGS),
        ({"train_sizes": [32, 16]}, {}),
        ({"stratify": True}, {"subsample": 2} | ONE_TASK | COLLECT_ONE),  # the other task is a regression
        ({"random_draws": 2}, {}),
    ],
    ids=str,
)
def test_a_setting_reruns_what_depends_on_it(
    workspace: Workspace, change: dict[str, Any], jobs: dict[str, int]
) -> None:
    workspace.configure(tiny_config(**change))
    assert workspace.planned(FIGURE) == jobs


def test_one_more_size_adds_its_own_jobs_only(workspace: Workspace) -> None:
    workspace.configure(tiny_config(train_sizes=[32, 16]))
    new = {"subsample": 4} | {rule: 2 * count for rule, count in ONE_TASK.items()}
    assert workspace.planned("results/figures/data_size.pdf") == new | COLLECT


def test_one_more_draw_of_random_tickets_adds_its_own_jobs_only(workspace: Workspace) -> None:
    def configure(draws: int) -> None:
        workspace.configure(tiny_config(tasks=["toy"], kinds=["winning", "random"], random_draws=draws))

    figure = "results/figures/ticket_kinds.pdf"
    configure(1)
    workspace.make(figure)
    configure(2)
    assert workspace.planned(figure) == TICKETS | {"score_group": 1, "draw_figure": 1}
    before = workspace.predictions()
    workspace.make(figure)
    after = workspace.predictions()
    assert len(after) == len(before) + 4 and before.items() <= after.items()


def test_settings_of_a_kind_rerun_its_tickets_only(workspace: Workspace) -> None:
    def configure(units: str) -> None:
        kinds = {"mine": {"units": units}, "other": {"importance": "magnitude"}}
        config = tiny_config(tasks=["toy"], kinds=["winning", *kinds])
        workspace.configure({**config, "define": {**config["define"], "kinds": kinds}})

    figure = "results/figures/ticket_kinds.pdf"
    configure("heads")
    workspace.make(figure)
    configure("ffn")
    assert workspace.planned(figure) == TICKETS | {"score_group": 1, "draw_figure": 1}


def test_another_model_reruns_all_that_is_trained_from_it(workspace: Workspace) -> None:
    path = workspace.folder / "data" / "tiny" / "model.safetensors"
    save_file({name: tensor + np.float32(0.01) for name, tensor in load_file(path).items()}, path)
    assert workspace.planned(FIGURE) == {"prepare_model": 1, "tokenise": 2} | ALL_TRAININGS


def test_other_versions_of_libraries_are_told_and_rerun_nothing_unless_asked(workspace: Workspace) -> None:
    path = workspace.folder / "results/runs/tiny/toy/n32/seed1/full/record.json"
    record = json.loads(path.read_text())
    torch = record["versions"]["torch"]
    assert "made with" not in workspace.make("--dry-run")
    damaged = workspace.folder / "results/runs/tiny/toy/n31/seed1/full/record.json"  # of another experiment
    damaged.parent.mkdir(parents=True)
    damaged.write_text("[" * 200_000)
    assert "Nothing to be done" in workspace.make("--dry-run")
    before = path.stat()
    path.write_text(json.dumps(record | {"versions": record["versions"] | {"torch": "1.0"}}))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    told = f"1 full models, and what follows from them, were made with torch 1.0 (now {torch})"
    output = workspace.make("--dry-run")
    assert told in output and "Nothing to be done" in output and "--forcerun tokenise" in output
    assert workspace.planned("--forcerun", "tokenise", "--", FIGURE) == {"tokenise": 2} | ALL_TRAININGS

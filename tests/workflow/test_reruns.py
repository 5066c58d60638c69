"""What runs again after a change, and what does not: a test for each line of the table in ARCHITECTURE.md."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FIGURE, Workspace, small_config
from recipes import EDITS, edited, with_keys
from safetensors.numpy import load_file, save_file

TRIAL = "results/runs/tiny/toy/n32/seed1"

#: What follows the trainings of one task, or of both, up to the figure.
COLLECT_ONE = {"score_group": 1, "compare_group": 1, "select_ticket": 1, "draw_figure": 1}
COLLECT = {"score_group": 2, "compare_group": 2, "select_ticket": 2, "draw_figure": 1}
#: Jobs of one task, or of both: one seed, one ratio.
TICKETS = dict.fromkeys(("prune", "rewind", "retrain"), 1)
ALL_TICKETS = dict.fromkeys(TICKETS, 2) | COLLECT
ONE_TASK = {"finetune": 1, "score_units": 1, **TICKETS}
ALL_TRAININGS = dict.fromkeys(ONE_TASK, 2) | COLLECT


def change(workspace: Workspace, module: str, old: str, new: str) -> None:
    """Replace the first occurrence of a text in a module of the library; an empty one stands at the end."""
    path = workspace.folder / "workflow/supertickets" / module
    text = path.read_text()
    assert old in text, f"{module} has no {old!r}"
    path.write_text(text.replace(old, new, 1) if old else text + new)


def test_a_second_call_does_nothing(workspace: Workspace) -> None:
    assert workspace.planned(FIGURE) == {}


def test_touching_every_file_reruns_nothing(workspace: Workspace) -> None:
    later = time.time() + 60
    for path in workspace.folder.rglob("*"):
        if path.is_file() and "results" not in path.parts and ".snakemake" not in path.parts:
            os.utime(path, (later, later))
    assert workspace.planned(FIGURE) == {}


@pytest.mark.parametrize("copied", [["results", "data"], ["results", "data", ".snakemake"]], ids=len)
def test_results_copied_to_a_fresh_checkout_rerun_nothing(
    workspace: Workspace, tmp_path: Path, copied: list[str]
) -> None:
    clone = Workspace(tmp_path / "a clone")
    clone.folder.mkdir()
    for name in ("Snakefile", "config.yaml", "workflow", "profiles"):
        subprocess.run(["cp", "-r", workspace.folder / name, clone.folder], check=True)
    subprocess.run(["cp", "-a", *(workspace.folder / name for name in copied), clone.folder], check=True)
    assert clone.planned(FIGURE) == {}


def test_conda_environments_rerun_nothing(workspace: Workspace, tmp_path: Path) -> None:
    answers = {"conda_prefix": str(tmp_path), "root_prefix": str(tmp_path), "platform": "linux-64", "envs": []}
    answer = json.dumps(answers | {"get": {"channel_priority": "strict"}})
    (tmp_path / "bin").mkdir()
    conda = tmp_path / "bin/conda"
    conda.write_text(f"#!/bin/sh\ncase \"$*\" in *version*) echo conda 25.1.0;; *) echo '{answer}';; esac\n")
    conda.chmod(0o755)
    output = workspace.make("--dry-run", "--sdm", "conda", "--", FIGURE, PATH=f"{conda.parent}:{os.environ['PATH']}")
    assert "Nothing to be done" in output, output


def test_another_learning_rate_for_one_task_reruns_that_task(workspace: Workspace) -> None:
    workspace.configure(small_config(training_overrides={"toy": {"learning_rate": 0.02}}))
    assert workspace.planned(FIGURE) == ONE_TASK | COLLECT_ONE


@pytest.mark.parametrize(
    ("by_task", "jobs"), [({"default": "all"}, {}), ({"default": "all", "toy": 10}, ONE_TASK | COLLECT_ONE)], ids=str
)
def test_another_number_of_predictions_for_one_task_reruns_that_task(
    workspace: Workspace, by_task: dict[str, Any], jobs: dict[str, int]
) -> None:
    workspace.configure(small_config(evaluate={"validation": "all", "test": by_task}))
    assert workspace.planned(FIGURE) == jobs


def test_settings_in_another_order_rerun_nothing(workspace: Workspace) -> None:
    config = small_config()
    config["training"] = dict(reversed(config["training"].items()))
    workspace.configure(dict(reversed(config.items())))
    assert workspace.planned(FIGURE) == {}


def test_one_more_ratio_adds_its_own_jobs_only(workspace: Workspace) -> None:
    workspace.configure(small_config(ratios=[0.6, 0.45]))
    assert workspace.planned(FIGURE) == ALL_TICKETS
    before = workspace.predictions()
    workspace.make(FIGURE)
    after = workspace.predictions()
    assert len(after) == len(before) + 2 and before.items() <= after.items()


def test_another_way_to_choose_super_tickets_trains_nothing(workspace: Workspace) -> None:
    workspace.configure(small_config(selection={"candidates": "tickets", "ratio": "common"}))  # as they are
    assert workspace.planned(FIGURE) == {}
    workspace.configure(small_config(ratios={"default": [0.9], "tiny": [0.6]}))
    assert set(workspace.planned(FIGURE)) == {"draw_figure"}
    workspace.configure(small_config(selection={"candidates": "with_full", "ratio": "by_seed"}))
    assert workspace.planned(FIGURE) == {"select_ticket": 2, "draw_figure": 1}
    workspace.make(FIGURE)


def test_another_margin_judges_and_draws_again(workspace: Workspace) -> None:
    shown = (FIGURE, "results/verdicts.csv")
    workspace.make(*shown)
    assert workspace.planned(*shown) == {}
    workspace.configure(small_config(margin=2))
    assert workspace.planned(*shown) == {"judge": 1, "draw_figure": 1}


@pytest.mark.slow
def test_another_epoch_to_score_reruns_the_tickets_and_the_best_epoch_all_trainings(workspace: Workspace) -> None:
    before = workspace.predictions()
    workspace.configure(small_config(training_overrides={"toy": {"importance_epoch": 1}}))
    follows = {"finetune_to_score": 1, "score_units": 1, "prune": 1, "rewind": 1, "retrain": 1}
    assert workspace.planned(FIGURE) == follows | COLLECT_ONE
    workspace.make(f"{TRIAL}/winning-0.60/record.json")
    after = workspace.predictions()
    full = [path for path in before if "/full/" in str(path)]
    assert full and all(after[path] == before[path] for path in full)
    folder = workspace.folder / TRIAL
    record = json.loads((folder / "importance/training/record.json").read_text())
    assert record["settings"]["model_epoch"] == 1 and len(record["losses"]) == 1
    assert not (folder / "importance/training/model.safetensors").exists()
    workspace.configure(small_config(training={**small_config()["training"], "model_epoch": "best"}))
    assert workspace.planned(FIGURE) == ALL_TRAININGS
    workspace.make(f"{TRIAL}/full/record.json")
    assert json.loads((folder / "full/record.json").read_text())["epoch"] in (1, 2)


def test_one_more_seed_adds_its_own_jobs_only(workspace: Workspace) -> None:
    workspace.configure(small_config(seeds=[1, 2]))
    assert workspace.planned(FIGURE) == {"subsample": 2} | ALL_TRAININGS


@pytest.mark.slow
def test_latency_reruns_what_shows_it_and_is_no_part_of_the_main_figure(workspace: Workspace) -> None:
    shown = ("results/tables/latency.csv", "results/tables/worth.csv", "results/figures/speed.pdf")
    measured = {"measure_latency": 1, "write_table": 2, "draw_figure": 1}

    def configure(**changes: object) -> None:
        workspace.configure(small_config(tasks=["toy"], **changes))

    configure()
    assert workspace.planned(*shown) == measured
    workspace.make(*shown, FIGURE)
    table = workspace.folder / "results/latency/tiny/toy.csv"
    before = table.read_bytes()
    assert workspace.planned(*shown, FIGURE) == {}
    configure(latency={"batch_sizes": [2], "lengths": [8]})
    assert workspace.planned(*shown) == measured and workspace.planned(FIGURE) == {}
    # In int8 the full models and super tickets of all seeds are trained once more.
    configure(latency={"backends": ["torch", "int8"], "batch_sizes": [1, 4], "lengths": [8]})
    assert workspace.planned(*shown) == measured | {"predict_int8": 2, "compare_int8": 1}
    configure(figures={"x": "latency"})
    assert workspace.planned(*shown, FIGURE) == {"draw_figure": 1}
    # Planned again for an edit, or because scores come out the same, it takes over what was measured.
    configure()
    change(workspace, "evaluation/score.py", "", "EDITED = 1\n")
    change(workspace, "exports/latency.py", "", "EDITED = 1\n")
    assert workspace.planned(*shown) == {"score_group": 1} | measured
    workspace.make(*shown)
    assert table.read_bytes() == before


@pytest.mark.parametrize(
    ("module", "jobs"),
    [
        ("report/figures/phase_transition.py", {"draw_figure": 1}),
        ("report/figures/style.py", {"draw_figure": 1}),
        ("evaluation/select_ticket.py", {"select_ticket": 2, "draw_figure": 1}),
        ("evaluation/score.py", {"score_group": 2, "draw_figure": 1}),
        # Each task has metrics of its own.
        ("evaluation/metrics/f1.py", {"score_group": 1, "draw_figure": 1}),
        ("evaluation/metrics/pearson.py", COLLECT_ONE),
        ("encoder/rewind.py", {"rewind": 2, "retrain": 2} | COLLECT),
        ("tickets/prune.py", ALL_TICKETS),
        ("tickets/kinds/winning.py", ALL_TICKETS),
        ("training/loop.py", ALL_TRAININGS),
        ("encoder/cut.py", ALL_TRAININGS),
        # The fine-tuned weights that are scored are temporary, so they are made again.
        ("tickets/methods/sensitivity.py", {"finetune": 2, "score_units": 2} | ALL_TICKETS),
        ("experiment/config.py", {}),
    ],
)
def test_an_edit_reruns_the_stages_that_use_the_module_and_what_follows(
    workspace: Workspace, module: str, jobs: dict[str, int]
) -> None:
    change(workspace, module, "", "EDITED = 1\n")
    assert workspace.planned(FIGURE) == jobs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "trained"), [("tickets/prune.py", set()), ("tickets/importance.py", {"full"})], ids=["tickets", "scores"]
)
def test_tickets_and_scores_that_come_out_the_same_train_nothing(
    workspace: Workspace, module: str, trained: set[str]
) -> None:
    def records() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (workspace.folder / "results/runs").rglob("record.json")}

    before, predicted = records(), workspace.predictions()
    change(workspace, module, "", "EDITED = 1\n")
    workspace.make(FIGURE)
    assert workspace.predictions() == predicted and len(before) == 4
    for path, record in records().items():
        log = path.with_name("train.log").read_text()
        # The weights of full models are scored, and then no longer there.
        if path.parent.name in trained:
            assert "epoch" in log and record != before[path]
        elif path.parent.name != "full":
            assert "its files are taken over" in log and "epoch" not in log and record == before[path]
    workspace.make("--forcerun", "retrain", "--", FIGURE)
    runs = [path.parent for path in before if path.parent.name != "full"]
    assert all((run / "record.json").read_bytes() == before[run / "record.json"] for run in runs)
    # To train one anew.
    shutil.rmtree(runs[0])
    workspace.make(str((runs[0] / "record.json").relative_to(workspace.folder)))
    assert (runs[0] / "record.json").read_bytes() != before[runs[0] / "record.json"]
    assert workspace.predictions() == predicted


def test_an_edit_of_words_reruns_nothing(workspace: Workspace) -> None:
    change(workspace, "training/loop.py", '"""', '"""In other words: ')
    change(workspace, "encoder/model.py", "", "\n# A comment.\n")
    change(workspace, "encoder/rewind.py", "raise UserError(", 'raise UserError("again: "')
    change(workspace, "encoder/encoded.py", '"an encoded task"', '"a task that is encoded"')
    change(workspace, "training/checkpoints.py", "training starts over", "it begins again")
    change(workspace, "training/checkpoints.py", "nothing of it is kept", "and nothing is kept")
    change(workspace, "data/readers.py", "not JSON (", "no JSON (")
    assert workspace.planned(FIGURE) == {}


@pytest.mark.parametrize("module", ["jobs/locks.py", "jobs/gpus.py", "errors.py", "files.py", "__main__.py"])
def test_an_edit_of_what_decides_no_number_reruns_nothing(workspace: Workspace, module: str) -> None:
    change(workspace, module, "", "EDITED = 1\n")
    assert workspace.planned(FIGURE) == {}


def test_a_new_method_kind_or_metric_that_nothing_uses_reruns_nothing(workspace: Workspace) -> None:
    library = workspace.folder / "workflow/supertickets"
    for new, like in (
        ("tickets/methods/squared.py", "tickets/methods/sensitivity.py"),
        ("tickets/kinds/by_chance.py", "tickets/kinds/random.py"),
        ("evaluation/metrics/agreement.py", "evaluation/metrics/accuracy.py"),
    ):
        (library / new).write_text((library / like).read_text())
    assert workspace.planned(FIGURE) == {}


def test_other_data_reruns_its_task_only(workspace: Workspace) -> None:
    config = small_config()
    config["define"]["tasks"]["toy"]["split"] = {"seed": 9}
    workspace.configure(config)
    assert workspace.planned(FIGURE) == {"prepare_task": 1, "tokenise": 1, "subsample": 1} | ONE_TASK | COLLECT_ONE
    workspace.configure(small_config())
    with (workspace.folder / "data" / "toy.tsv").open("a") as stream:
        stream.write("s999\tgood film\tyes\t1\n")
    assert workspace.planned(FIGURE)["prepare_task"] == 2


@pytest.mark.parametrize("other", [{"metrics": ["f1", "macro_f1"]}, {"metrics": ["f1"], "positive": "no"}], ids=str)
def test_other_metrics_of_a_task_train_nothing(workspace: Workspace, other: dict[str, Any]) -> None:
    config = small_config()
    config["define"]["tasks"]["toy"] |= other
    workspace.configure(config)
    assert workspace.planned(FIGURE) == COLLECT_ONE


def test_a_licence_reruns_nothing(workspace: Workspace) -> None:
    config = small_config()
    for part, name in (("models", "tiny"), ("tasks", "toy")):
        config["define"][part][name]["licence"] = "MIT"
    workspace.configure(config)
    assert workspace.planned(FIGURE) == {}


@pytest.mark.parametrize(
    "arguments",
    [["--cores", "1"], ["--profile", "profiles/default"], ["--profile", "profiles/gpu"]]
    + [["--config", setting] for setting in ("keep_weights=True", "checkpoint_minutes=3", "glue=data")],
    ids=" ".join,
)
def test_how_it_is_run_reruns_nothing(workspace: Workspace, arguments: list[str]) -> None:
    assert workspace.planned(*arguments, "--", FIGURE) == {}


@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        ({"pruning": {"importance": "taylor"}}, ALL_TICKETS),
        ({"pruning": {"units": "heads"}}, ALL_TICKETS),
        ({"precision": "bf16"}, ALL_TRAININGS),
        # As the one before, a setting of every training.
        pytest.param({"evaluate": {"validation": "all", "test": 10}}, ALL_TRAININGS, marks=pytest.mark.slow),
        pytest.param({"device": "auto"}, ALL_TRAININGS, marks=pytest.mark.slow),
        pytest.param({"threads": 2}, ALL_TRAININGS, marks=pytest.mark.slow),
        pytest.param({"training_overrides": {"tiny": {"epochs": 1}}}, ALL_TRAININGS, marks=pytest.mark.slow),
        ({"max_length": 12}, {"tokenise": 2} | ALL_TRAININGS),
        ({"train_sizes": [32, 16]}, {}),
        ({"train_sizes": {"default": [32], "toy": [32, 16]}, "kinds_at_other_sizes": ["winning"]}, {}),
        ({"train_sizes": [32, 16], "training_overrides": {"n16": {"epochs": 9}}}, {}),
        ({"stratify": True}, {"subsample": 1} | ONE_TASK | COLLECT_ONE),  # the other task is a regression
        ({"random_draws": 2}, {}),
    ],
    ids=str,
)
def test_a_setting_reruns_what_depends_on_it(
    workspace: Workspace, changes: dict[str, Any], jobs: dict[str, int]
) -> None:
    workspace.configure(small_config(**changes))
    assert workspace.planned(FIGURE) == jobs


@pytest.mark.slow
def test_two_values_of_the_recipe_for_a_config_key_that_are_swapped_rerun_its_rule(workspace: Workspace) -> None:
    library, schema = (workspace.folder / "workflow" / name for name in ("supertickets", "schemas/config.schema.yaml"))
    for name in {name for name, _ in EDITS if not name.startswith("tests/")}:
        (library / name).write_text(edited(name, library))
    schema.write_text(with_keys(schema.read_text()))
    assert workspace.planned(FIGURE)["subsample"] == 2  # its settings and code are new
    subset = "results/subsets/toy/n32/seed1.json"
    workspace.configure(small_config(stratify=False, min_words=1))
    workspace.make(subset)
    workspace.configure(small_config(stratify=True, min_words=0))
    assert workspace.planned(subset) == {"subsample": 1}


def test_one_more_size_adds_its_own_jobs_only(workspace: Workspace) -> None:
    workspace.configure(small_config(train_sizes=[32, 16]))
    assert workspace.planned("results/figures/data_size.pdf") == {"subsample": 2} | ALL_TRAININGS


def test_another_method_of_importance_for_one_kind_scores_nothing_again(workspace: Workspace) -> None:
    config = small_config(tasks=["toy"], kinds=["winning", "by_magnitude"])
    config["define"]["kinds"] = {"by_magnitude": {"importance": "magnitude"}}
    workspace.configure(config)
    planned = workspace.planned("results/figures/ticket_kinds.pdf")
    # Scores by every method are there.
    assert planned == TICKETS | {"score_group": 1, "draw_figure": 1}


@pytest.mark.slow
def test_one_more_draw_of_random_tickets_adds_its_own_jobs_only(workspace: Workspace) -> None:
    def configure(draws: int) -> None:
        workspace.configure(small_config(tasks=["toy"], kinds=["winning", "random"], random_draws=draws))

    figure = "results/figures/ticket_kinds.pdf"
    configure(1)
    assert workspace.planned(figure) == TICKETS | {"score_group": 1, "contrast_group": 1, "draw_figure": 1}
    workspace.make(figure)
    configure(2)
    assert workspace.planned(figure) == TICKETS | {"score_group": 1, "contrast_group": 1, "draw_figure": 1}
    before = workspace.predictions()
    workspace.make(figure)
    after = workspace.predictions()
    assert len(after) == len(before) + 1 and before.items() <= after.items()
    folder = workspace.folder / "results/runs/tiny/toy/n32/seed1/tickets"
    tickets = [json.loads((folder / f"{name}-0.60.json").read_text()) for name in ("winning", "random", "random.2")]
    assert len({(ticket["heads_pruned"], ticket["ffn_pruned"]) for ticket in tickets}) == 1
    assert tickets[1]["heads"] != tickets[2]["heads"]
    drawn = [(ticket["origin"]["kind"], ticket["origin"]["draw"]) for ticket in tickets[1:]]
    assert drawn == [("random", 1), ("random", 2)]


@pytest.mark.slow
def test_settings_of_a_kind_rerun_its_tickets_only(workspace: Workspace) -> None:
    def configure(units: str) -> None:
        kinds = {"mine": {"units": units}, "other": {"importance": "magnitude"}}
        config = small_config(tasks=["toy"], kinds=["winning", *kinds])
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


def test_other_versions_of_libraries_are_named_before_jobs_and_rerun_nothing_unless_asked(workspace: Workspace) -> None:
    path = workspace.folder / "results/runs/tiny/toy/n32/seed1/full/record.json"
    record = json.loads(path.read_text())
    torch = record["versions"]["torch"]
    damaged = workspace.folder / "results/runs/tiny/toy/n31/seed1/full/record.json"  # of another experiment
    damaged.parent.mkdir(parents=True)
    damaged.write_text("[" * 200_000)
    before = path.stat()
    path.write_text(json.dumps(record | {"versions": record["versions"] | {"torch": "1.0"}}))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    output = workspace.make(FIGURE)
    assert "made with" not in output and "Nothing to be done" in output
    ticket = "results/runs/tiny/toy/n32/seed1/tickets/winning-0.60.json"
    output = workspace.make("--forcerun", "prune", "--", ticket)
    told = f"1 full models, and what follows from them, were made with torch 1.0 (now {torch})"
    assert told in output and "--forcerun tokenise" in output
    path.write_text(json.dumps(record))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "made with" not in workspace.make("--forcerun", "prune", "--", ticket)
    assert workspace.planned("--forcerun", "tokenise", "--", FIGURE) == {"tokenise": 2} | ALL_TRAININGS

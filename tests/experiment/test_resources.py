"""What jobs ask of a machine, which GPU they take, and how profiles change that."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import PROJECT, Workspace, new_workspace, tiny_config

from supertickets.experiment.config import check_config
from supertickets.experiment.resources import (
    grown,
    judging_minutes,
    memory_mb,
    minutes,
    table_minutes,
    training_demand,
)
from supertickets.jobs.gpus import free_device, visible_devices

HOLD = "from supertickets.jobs.gpus import free_device; import sys, pathlib; \
print(free_device(sys.argv[2:], pathlib.Path(sys.argv[1])), flush=True); sys.stdin.read()"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return new_workspace(tmp_path_factory.mktemp("fresh") / "the project", tiny_config())


def asked(plan: str, rule: str) -> dict[str, str]:
    """What the first job of a rule asks for, in the output of a dry run."""
    job = plan.partition("Job stats:")[2].partition(f"\nrule {rule}:")[2].partition("\n\n")[0]
    line = next(line for line in job.splitlines() if line.strip().startswith("resources:"))
    return dict(part.split("=", 1) for part in line.partition(":")[2].strip().split(", "))


def test_more_is_asked_for_larger_models_and_data_and_longer_trainings() -> None:
    small = {"weights_mb": 90, "examples": 1000, "batch_size": 8, "max_length": 64, "cuda": False}
    for larger in ({"weights_mb": 440}, {"examples": 10**6}, {"batch_size": 64}, {"max_length": 128}, {"cuda": True}):
        assert memory_mb(**small) < memory_mb(**small | larger), larger
    assert memory_mb(**small | {"max_length": 512}) > memory_mb(**small | {"max_length": 256})
    # Activations are where they are computed: BERT-large in batches of 32 x 128 needs no 40 GB beside a GPU.
    large = {"weights_mb": 1340, "examples": 400_000, "batch_size": 32, "max_length": 128}
    assert memory_mb(**large, cuda=True) < 15_000 < memory_mb(**large, cuda=False)
    short = {"weights_mb": 90, "passes": 1e6, "max_length": 64, "threads": 1, "cuda": False}
    for larger in ({"weights_mb": 440}, {"passes": 3e6}, {"max_length": 512}):
        assert minutes(**short) < minutes(**short | larger), larger
    for less in ({"cuda": True}, {"threads": 4}, {"max_length": 16}):
        assert minutes(**short) > minutes(**short | less), less
    assert table_minutes(120) == judging_minutes(500) == 2  # the shortest, for which starting is all
    assert table_minutes(400_000) > 3 and judging_minutes(2_000_000) > 3
    # The default's trainings took 0.84 GB at most, and a quarter of a minute (``python -m benchmarks overhead``).
    assert 840 < memory_mb(91, 780, 8, 64, False) < 2500 and minutes(91, 2220, 64, 1, False) < 30
    # One on batches of 32 sequences of 512 tokens took 7.3 GB.
    assert 7300 < memory_mb(91, 128, 32, 512, False) < 9000


def test_every_attempt_asks_for_half_more() -> None:
    assert [grown(attempt, 101) for attempt in (1, 2, 3)] == [101, 152, 202]


def test_a_training_asks_for_its_own_examples_and_settings() -> None:
    tasks = {"tasks": ["movie", "amazon"], "train_sizes": [64, "all"], "seeds": [1]}
    shared = {"multi_task": {"tasks": ["movie", "amazon"], "training": {"batch_size": 512}}}
    new = {"adaptation": {"tasks": ["tweets"], "train_sizes": [32], "from_single": ["movie"]}}
    limits = {"evaluate": {"validation": 10, "test": "all"}}
    config = check_config({**tasks, **shared, **new, **limits, "training_overrides": {"amazon": {"epochs": 9}}})
    counts = {
        "movie": {"train": 100, "validation": 20, "test": 30},
        "amazon": {"train": 200, "validation": 20, "test": 30},
    }

    def found(size: int | str, **names: str) -> tuple[dict[str, int], list[tuple[float, int]]]:
        return training_demand(config, {"model": "minilm", **names}, size, counts.__getitem__)

    epochs, batch_size = config["training"]["epochs"], config["training"]["batch_size"]
    assert found(64, task="movie") == ({"epochs": epochs, "batch_size": batch_size}, [(64, 40)])
    assert found("all", task="amazon") == ({"epochs": 9, "batch_size": batch_size}, [(200, 40)])
    most, examples = found(64, shared="amazon+movie")
    assert most == {"epochs": 9, "batch_size": 512} and examples == [(64, 40), (64, 40)]
    # An encoder of one task that new ones continue from has this task's settings.
    assert found(64, shared="movie") == found(64, task="movie")


def test_jobs_ask_for_what_they_need_and_a_user_overrides_it(fresh: Workspace) -> None:
    plan = fresh.make("--dry-run")
    found = asked(plan, "finetune")
    assert 1600 < int(found["mem_mb"]) < 2100 and int(found["runtime"]) == 6 and int(found["gpu"]) == 0
    assert asked(plan, "tokenise")["runtime"] == asked(plan, "score_group")["runtime"] == "2"
    resources = ("finetune:mem_mb=123 * attempt", "finetune:slurm_partition=long")
    given = asked(fresh.make("--dry-run", "--set-resources", *resources), "finetune")
    assert int(given["mem_mb"]) == 123 and given["slurm_partition"] == "long"
    assert given["runtime"] == found["runtime"]
    fresh.configure(tiny_config(device="auto", training={"epochs": 2000, "batch_size": 8}))
    more = asked(fresh.make("--dry-run"), "finetune")
    assert int(more["gpu"]) == 1 and int(more["mem_mb"]) > int(found["mem_mb"])
    fresh.configure(tiny_config())


@pytest.mark.parametrize("name", ["default", "gpu", pytest.param("slurm", marks=pytest.mark.slurm)])
def test_profiles_plan(fresh: Workspace, name: str) -> None:
    assert fresh.planned("--profile", f"profiles/{name}")["retrain"] == 8


@pytest.mark.parametrize("name", ["default", "gpu", "slurm"])
def test_profiles_name_rules_and_groups_that_exist(name: str) -> None:
    profile = yaml.safe_load((PROJECT / "profiles" / name / "config.yaml").read_text())
    rules = "".join(path.read_text() for path in (PROJECT / "workflow" / "rules").glob("*.smk"))
    groups = dict(line.split("=") for line in profile.get("groups", []))
    for rule in groups:
        assert f"rule {rule}:" in rules or f"as {rule} with" in rules, rule
    assert {line.split("=")[0] for line in profile.get("group-components", [])} <= set(groups.values())


def test_short_rules_are_no_cluster_jobs_of_their_own() -> None:
    profile = yaml.safe_load((PROJECT / "profiles/slurm/config.yaml").read_text())
    rules, here = set(), set()
    for path in (PROJECT / "workflow" / "rules").glob("*.smk"):
        text = path.read_text()
        rules |= set(re.findall(r"^rule (\w+):", text, re.MULTILINE)) | set(re.findall(r" as (\w+) with:", text))
        for names in re.findall(r"^localrules:\n((?:    \w+,\n)+)", text, re.MULTILINE):
            here |= set(re.findall(r"\w+", names))
    grouped = {line.split("=")[0] for line in profile["groups"]}
    trainings = ("train_multi_task", "try_settings", "predict_for_server")
    assert rules - here - grouped == {*trainings, "measure_latency"}


def test_a_group_has_jobs_of_one_task() -> None:
    """What is wrong with a task ends no job of another."""
    profile = yaml.safe_load((PROJECT / "profiles/slurm/config.yaml").read_text())
    groups = dict(line.split("=") for line in profile["groups"])
    shared = {"score_multi_task", "compare_multi_task", "score_adaptation", "compare_adaptation"}
    assert {rule for rule, group in groups.items() if "{task}" not in group} == {"prepare_model", *shared}


def test_processes_spread_over_devices_and_give_them_back(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    names = ["0", "MIG-1/2"]
    held = []
    for _ in range(5):
        command = [sys.executable, "-c", HOLD, str(folder), *names]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT / "workflow"
        )
        held.append((process, int(process.stdout.readline())))
    assert [device for _, device in held] == [0, 1, 0, 1, 0]
    held[1][0].kill()  # nothing is left behind by a process that is killed
    held[1][0].wait()
    assert free_device(names, folder) == 1
    assert free_device(names, folder) == 1  # that device holds two, this process both; the other holds three
    for process, _ in held:
        process.kill()
        process.wait()


def test_devices_are_called_what_all_processes_call_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_devices(2) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-7")
    assert visible_devices(2) == ["3", "GPU-7"]


def test_the_locks_agree() -> None:
    lines = (PROJECT / "requirements.lock").read_text().splitlines()
    own = [line for line in (PROJECT / "requirements-slurm.lock").read_text().splitlines() if "==" in line]
    assert any(line.startswith("snakemake-executor-plugin-slurm==") for line in own)
    assert not {line.split("==")[0] for line in own} & {line.split("==")[0] for line in lines}


def test_without_a_folder_for_locks_devices_are_taken_in_turns(tmp_path: Path) -> None:
    assert free_device(["0", "1", "2"], tmp_path / "no folder" / "above") == os.getpid() % 3

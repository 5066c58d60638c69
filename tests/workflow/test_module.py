"""The workflow used from elsewhere: as a module of another workflow, and from another folder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT, tiny_config, write_tiny_model, write_tiny_task

FIGURE = "results/figures/phase_transition.pdf"
#: Jobs of one task, seed and ratio, up to the figure.
JOBS = ["prepare_model", "prepare_task", "tokenise", "subsample", "finetune", "score_units", "prune", "rewind"]
JOBS += ["retrain", "score_group", "compare_group", "select_ticket", "draw_figure"]

PAGE = "results/pages/start.html"

OUTER = f"""
configfile: "outer.yaml"


rule mine:
    input:
        "{FIGURE}",
        config.get("page", []),
    output:
        "mine.txt",
    shell:
        "touch {{output}}"


module tickets:
    snakefile:
        {str(PROJECT / "Snakefile")!r}
    config:
        config["tickets"]


use rule * from tickets as tickets_*
"""


def snakemake(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def planned(output: str) -> dict[str, int]:
    stats = output.partition("Job stats:")[2].partition("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE)}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder of somebody else's, with an encoder, a task and a config."""
    folder = tmp_path / "some where"
    write_tiny_model(folder / "data" / "tiny")
    write_tiny_task(folder / "data" / "toy.tsv")
    config = tiny_config(tasks=["toy"], seeds=[1], ratios=[0.3])
    (folder / "own.yaml").write_text(json.dumps(config))
    # Of a workflow with a key of its own.
    (folder / "outer.yaml").write_text(json.dumps({"greeting": "hello", "tickets": config}))
    return folder


def test_as_a_module_of_another_workflow(elsewhere: Path) -> None:
    (elsewhere / "Snakefile").write_text(OUTER)
    assert planned(snakemake(elsewhere, "--dry-run")) == {f"tickets_{job}": 1 for job in JOBS} | {"mine": 1}
    snakemake(elsewhere, "results/encoded/tiny/toy.parquet")  # its jobs find the library
    assert planned(snakemake(elsewhere, "--dry-run")) == {f"tickets_{job}": 1 for job in JOBS[3:]} | {"mine": 1}


def test_pages_of_a_module_show_latency_where_all_of_it_is_asked_for(elsewhere: Path) -> None:
    (elsewhere / "Snakefile").write_text(OUTER)
    plan = ("--dry-run", "--printshellcmds")
    for asked in ([PAGE], ["--config", f"page={PAGE}"]):  # by name, and by the first rule
        said = snakemake(elsewhere, *plan, *asked)
        assert "--no-measured" in said and not {"tickets_measure_latency", "measure_latency"} & planned(said).keys()
    for asked in (["tickets_all"], ["tickets_all", FIGURE]):
        said = snakemake(elsewhere, *plan, *asked)
        assert " --measured" in said and "--no-measured" not in said and "tickets_measure_latency" in planned(said)


def test_from_another_folder(elsewhere: Path) -> None:
    arguments = ["--snakefile", str(PROJECT / "Snakefile"), "--directory", str(elsewhere), "--dry-run"]
    own = snakemake(elsewhere.parent, FIGURE, *arguments, "--configfile", str(elsewhere / "own.yaml"))
    assert planned(own) == dict.fromkeys(JOBS, 1)
    # Without a config there, the default experiment.
    assert planned(snakemake(elsewhere.parent, FIGURE, *arguments))["retrain"] == 48


def test_as_snakedeploy_deploys_it(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "config", tmp_path / "config")
    deployed = OUTER.replace(str(PROJECT / "Snakefile"), str(PROJECT / "workflow/Snakefile"))
    deployed = (
        deployed.replace("outer.yaml", "config/config.yaml").replace('["tickets"]', "").replace(" as tickets_*", "")
    )
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/Snakefile").write_text(deployed)
    assert planned(snakemake(tmp_path, FIGURE, "--dry-run"))["retrain"] == 48

"""What large grids cost besides training: planning them, and putting 35,000 runs' results together."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from supertickets.experiment.config import check_config
from supertickets.experiment.grid import grid_of, groups_of, runs_of
from supertickets.experiment.paths import folder_of, group_file
from supertickets.files import canonical_json
from supertickets.jobs.environment import set_environment

from .data import ROOT, environment
from .results import write

PAPER = ROOT / "configs" / "paper.yaml"
#: Seeds of the paper's experiments, and so many that they are 35,000 jobs and 35,000 runs.
SEEDS, SEEDS_OF_JOBS, SEEDS_OF_RUNS = 5, 19, 67
#: Processes at a time.
CORES = 2
#: Labelled examples that each synthetic run has predicted.
EXAMPLES = 400
#: What a run's record holds that scoring reads: of the full model and of a ticket. And the size of the rest.
CUT = {"heads_pruned": 14, "ffn_pruned": 1, "weight_remaining": 0.9}
UNCUT = {"heads_pruned": 0, "ffn_pruned": 0, "weight_remaining": 1.0}
REST = {"precision": "fp32", "settings": {"of": "x" * 1500}}
#: A workflow of chains of three jobs that is as plain as can be: the peer.
BARE = """
CHAINS = range({chains})
rule all:
    input: expand("retrain/{{chain}}.json", chain=CHAINS)
rule ticket:
    output: "ticket/{{chain}}.json"
    log: "logs/ticket/{{chain}}.log"
    shell: "ticket --out {{output}} > {{log}}"
rule rewind:
    input: "ticket/{{chain}}.json"
    output: "rewind/{{chain}}.json"
    log: "logs/rewind/{{chain}}.log"
    shell: "rewind {{input}} --out {{output}} > {{log}}"
rule retrain:
    input: "rewind/{{chain}}.json"
    output: "retrain/{{chain}}.json"
    log: "logs/retrain/{{chain}}.log"
    shell: "retrain {{input}} --out {{output}} > {{log}}"
"""
#: Starts a command and writes its peak memory (KiB on Linux) to a file. Linux counts from the size of its starter, so
#: that is a small process.
LAUNCHER = """
import os, sys
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as stream:
    stream.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""


@dataclass(frozen=True)
class Cost:
    """What a process took.

    Attributes:
        seconds: from start to end.
        gigabytes: its peak memory, or that of the largest process that it started, a warm job's left out.
        output: what it printed.
    """

    seconds: float
    gigabytes: float
    output: str


def measured(command: Sequence[str], folder: Path) -> Cost:
    """Run a command in a folder.

    Raises:
        RuntimeError: it failed; with its messages.
    """
    with tempfile.NamedTemporaryFile("r") as memory:
        call, began = [sys.executable, "-I", "-S", "-c", LAUNCHER, memory.name, *command], time.perf_counter()
        done = subprocess.run(
            call, text=True, check=False, cwd=folder, env=environment(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}")
        return Cost(seconds, int(memory.read()) * 1024 / 1e9, done.stdout)


def calling(seeds: int, folder: Path) -> list[str]:
    """The call of snakemake for the paper's grid with so many seeds."""
    more = folder / "more.yaml"
    more.write_text(yaml.safe_dump({"seeds": list(range(1, seeds + 1))}))
    snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", str(CORES)]
    return [*snakemake, "--configfile", str(PAPER), str(more)]


def plan(call: Sequence[str], folder: Path) -> tuple[int, Cost]:
    """Number of jobs that a call of snakemake would run, and what its dry run costs."""
    cost = measured([*call, "--dry-run"], folder)
    found = re.search(r"^total +(\d+)$", cost.output, re.MULTILINE)
    return int(found[1]) if found else 0, cost


def plan_bare(jobs: int) -> tuple[int, Cost]:
    """Number of jobs of the peer, a workflow of at least so many of the plainest jobs, and what its dry run costs."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Snakefile").write_text(BARE.format(chains=-(-(jobs - 1) // 3)))
        return plan([sys.executable, "-m", "snakemake", "--cores", str(CORES)], Path(folder))


def first_job(seeds: int) -> float:
    """Seconds from the call to the first job, which is stopped.

    Raises:
        RuntimeError: no job started.
    """
    with tempfile.TemporaryDirectory() as folder:
        call, began = calling(seeds, Path(folder)), time.perf_counter()
        with subprocess.Popen(
            call, text=True, start_new_session=True, cwd=folder, env=environment(), stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            try:
                for line in process.stderr or ():
                    if re.match(r"(local)?rule \w+:$", line):
                        return time.perf_counter() - began
            finally:
                os.killpg(process.pid, signal.SIGKILL)
    raise RuntimeError("snakemake started no job of the paper's grid")


def synthetic(folder: Path, seeds: int) -> dict[str, Any]:
    """Records and predictions of every run of the paper's grid with so many seeds; what spans them."""
    paper = yaml.safe_load(PAPER.read_text())
    grid = grid_of(check_config(paper)) | {"seeds": list(range(1, seeds + 1))}
    random = np.random.default_rng(0)
    names = {"id": [f"e{index}" for index in range(EXAMPLES)], "split": ["validation"] * EXAMPLES}
    labels = np.tile([0.0, 1.0], EXAMPLES // 2)
    for run in runs_of(grid):
        where = folder / folder_of(run)
        where.mkdir(parents=True)
        told = UNCUT if run["kind"] == "full" else CUT
        (where / "record.json").write_text(json.dumps({"run": run} | told | REST))
        sure = random.normal(size=EXAMPLES) + 2 * labels - 1
        table = pd.DataFrame(names | {"label": labels, "logits": list(np.stack([-sure, sure], axis=1))})
        table.to_parquet(where / "predictions.parquet", index=False)
    return grid


def commands_of(grid: dict[str, Any], results: Path) -> dict[str, list[list[str]]]:
    """What the workflow runs from predictions to the tables of all runs, by rule."""
    entry = [sys.executable, "-P", "-m", "supertickets"]
    commands: dict[str, list[list[str]]] = {"score": [], "compare": []}
    for group in groups_of(grid):
        common = ["--results", str(results), "--grid", canonical_json(grid), "--group", canonical_json(group)]
        scores = str(results / "scores" / f"{group_file(group)}.parquet")
        table = str(results / "comparisons" / f"{group_file(group)}.csv")
        score = [*entry, "evaluation.score:score_group", *common, "--metrics", "accuracy", "--scores", scores]
        compare = [*entry, "evaluation.compare:compare_group", *common, "--metric", "accuracy", "--table", table]
        commands["score"].append(score)
        commands["compare"].append(compare)
    tables = {"parquet": "scores.parquet", "csv": "scores.csv", "comparisons": "comparisons.csv"}
    outputs = [text for name, path in tables.items() for text in (f"--{name}", str(results / path))]
    common = ["--results", str(results), "--grid", canonical_json(grid)]
    return commands | {"aggregate": [[*entry, "evaluation.aggregate:aggregate", *common, *outputs]]}


def largest_job(folder: Path) -> float:
    """Gigabytes of the largest warm job, as the server has noted them in the workflow's folder; notes are removed."""
    notes = list(folder.glob("job*"))
    most = max(float(note.read_text().split()[1]) for note in notes)
    for note in notes:
        note.unlink()
    return most * 2**20 / 1e9


def main() -> None:
    """Measure, and write ``results/scale``."""
    rows, found = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for seeds in (SEEDS, SEEDS_OF_JOBS):
            jobs, cost = plan(calling(seeds, Path(folder)), Path(folder))
            bare_jobs, bare = plan_bare(jobs)
            before = first_job(seeds)
            name = f"{seeds} seeds, {jobs:,} jobs"
            rows.append({"what": f"dry run, {name}", "seconds": cost.seconds, "GB": cost.gigabytes})
            rows.append({"what": f"the peer, {bare_jobs:,} jobs", "seconds": bare.seconds, "GB": bare.gigabytes})
            rows.append({"what": f"from a call to its first job, {name}", "seconds": before})
            found[f"plan_{seeds}"] = {"jobs": jobs, "seconds": cost.seconds, "gigabytes": cost.gigabytes}
            found[f"plan_{seeds}"] |= {"first_job": before, "bare": bare.seconds}
        results = Path(folder) / "results"
        grid = synthetic(results, SEEDS_OF_RUNS)
        runs = sum(1 for _ in runs_of(grid))
        workflow = set_environment(ROOT / "workflow")  # this process stands for Snakemake: its server ends with it
        for rule, commands in commands_of(grid, results).items():
            began = time.perf_counter()
            with ThreadPoolExecutor(CORES) as pool:
                spent = list(pool.map(lambda command: measured(command, ROOT / "workflow"), commands))
            seconds, most = time.perf_counter() - began, largest_job(workflow)
            count = f"{len(spent)} jobs" if len(spent) > 1 else "one job"
            rows.append({"what": f"{rule}, {count}", "seconds": seconds, "GB": most})
            found[rule] = {"jobs": len(spent), "seconds": seconds, "gigabytes": most}
    text = (
        f"Planning `configs/paper.yaml`, which has {SEEDS} seeds, with nothing made yet; as a peer, a workflow of as "
        "many jobs that are as plain as can be, of one input, one output and a command. And what follows "
        f"{runs:,} trainings, its runs with {SEEDS_OF_RUNS} seeds, {CORES} warm jobs at a time: the records are "
        f"synthetic, with predictions of {EXAMPLES} examples each. Memory is the peak of the largest process."
    )
    table = pd.DataFrame(rows).round(2).astype(object).fillna("")
    write("scale", "python -m benchmarks scale", text, table, found | {"runs": runs})

"""Whole calls with warm jobs: same bytes as cold ones, nothing left, and benchmarks of the jobs themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from accidents import accident_config, contents
from conftest import Workspace, ended, new_workspace, small_config

from supertickets.jobs.warm import COLD


@pytest.mark.slow
def test_warm_and_cold_jobs_make_the_same_bytes(finished: Workspace, tmp_path: Path) -> None:
    cold = new_workspace(tmp_path / "cold", small_config(tasks=["toy"]))
    made = [
        f"results/{path}" for path in ("comparisons/tiny/toy/n32/winning.csv", "scores/tiny/toy/n32/winning.parquet")
    ]
    cold.make(*made, **{COLD: "1"})
    found, warm = contents(cold), contents(finished)
    assert len(found) > 15 and {*made} <= found.keys()
    assert {path: content for path, content in found.items() if warm.get(path) != content} == {}


def test_a_call_measures_its_warm_jobs_and_leaves_nothing(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "the project", accident_config())
    with tempfile.TemporaryDirectory() as temporary:  # short enough for a socket
        call = psutil.Popen(
            [sys.executable, "-m", "snakemake", "--cores", "2", "results/runs/tiny/toy/n32/seed1/full/record.json"],
            cwd=workspace.folder, env=os.environ | {"TMPDIR": temporary}, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        seen = set()
        while call.poll() is None:
            seen |= {
                process
                for process in psutil.process_iter(["cmdline"])
                if "supertickets.server" in (process.info["cmdline"] or []) and temporary in str(process.info)
            }
            time.sleep(0.05)
        assert call.returncode == 0 and seen
        deadline = time.monotonic() + 10
        while not all(map(ended, seen)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert all(map(ended, seen))
        assert not list(Path(temporary).glob("supertickets-[!0-9]*"))
    results = workspace.folder / "results"
    tables = [path for path in results.rglob("*.tsv") if "benchmark" in str(path.relative_to(results))]
    measured = pd.concat(pd.read_csv(path, sep="\t").assign(path=path) for path in tables)
    assert len(measured) == 5 and (measured["max_rss"] > 50).all(), measured  # MB: the process that waits has 20
    assert (measured["cpu_time"] > 0).all() and measured["cpu_time"].max() > 0.2

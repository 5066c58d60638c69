"""Let Snakemake's benchmarks measure warm jobs, which are processes of the server and not below the rule's shell."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from snakemake.benchmark import BenchmarkTimer


def measure_warm_jobs(folder: Path) -> None:
    """Make the timer of each rule measure the process of its job too.

    Args:
        folder: of the workflow, in which the server notes that process by the number of the one that waits for it.
    """
    begin = BenchmarkTimer.__init__

    def begin_with_job(timer: BenchmarkTimer, *arguments: Any, **options: Any) -> None:
        begin(timer, *arguments, **options)
        below = timer.main.children

        def with_job(recursive: bool = False) -> list[psutil.Process]:
            processes = below(recursive)
            for process in [timer.main, *processes]:
                with suppress(OSError, ValueError, psutil.Error):  # it waits for none, or for one that has just ended
                    processes.append(psutil.Process(int((folder / str(process.pid)).read_text())))
            return processes

        timer.main.children = with_job

    BenchmarkTimer.__init__ = begin_with_job

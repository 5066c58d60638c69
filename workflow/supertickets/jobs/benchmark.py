"""Let Snakemake's benchmarks measure warm jobs, which are processes of the server and not below the rule's shell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import snakemake.benchmark


def measure_warm_jobs(folder: Path) -> None:
    """Make the timer of each rule measure the process of its job too.

    Snakemake looks every half second, and most jobs are shorter. So what the system says at their end counts as well.

    Args:
        folder: of the workflow. A file of the server's there, named by the process that waits for a job and by its
            parent, holds the job's process, and then its maximal memory in MB and its CPU time in seconds.
    """

    class Timer(snakemake.benchmark.BenchmarkTimer):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            below = self.main.children
            self.main.children = lambda recursive=False: [*below(recursive), *self._jobs()]

        def _notes(self) -> list[Path]:
            return list(folder.glob(f"job*-{self.pid}-*"))  # a shell may become its last command (exec)

        def _jobs(self) -> Iterator[psutil.Process]:
            for note in self._notes():
                with suppress(OSError, ValueError, psutil.Error):  # it has just ended
                    yield psutil.Process(int(note.read_text()))

        def cancel(self) -> None:
            super().cancel()
            self._timer.join()  # a sample that is being taken would replace what follows
            record = self.bench_record
            for note in self._notes():
                with suppress(OSError, ValueError):  # the server was killed
                    _, memory, seconds = map(float, note.read_text().split())
                    record.max_rss = max(record.max_rss or 0, memory)
                    record.cpu_time = max(record.cpu_time, seconds)
                    record.cpu_usage = max(record.cpu_usage, 100 * seconds)
                    record.data_collected = True
                note.unlink(missing_ok=True)

    snakemake.benchmark.BenchmarkTimer = Timer

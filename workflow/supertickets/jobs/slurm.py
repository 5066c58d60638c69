"""Slurm that does not answer.

Snakemake's plugin for Slurm asks about its jobs a few times. Where no answer comes, it forgets all of them and waits
forever, without a message.
"""

from __future__ import annotations

import sys
import time
from logging import Logger
from typing import Any

#: Snakemake's plugin, which Snakemake imports where it is installed.
PLUGIN = "snakemake_executor_plugin_slurm"
#: How long Slurm may be silent, in seconds.
LONGEST = 3600


def expect_answers(error: type[Exception], longest: float = LONGEST) -> None:
    """Have the plugin say when Slurm does not answer, keep its jobs, and end where that does not change.

    Args:
        error: what to end with.
        longest: how long Slurm may be silent, in seconds.
    """
    plugin: Any = sys.modules.get(PLUGIN)
    if plugin is None:
        return
    query = plugin.query_job_status
    since: float | None = None  # when Slurm stopped answering: it is asked only while there are jobs

    async def query_job_status(command: str, logger: Logger) -> tuple[dict[str, str], float]:
        """As the plugin's own: the states of all jobs, none if there is no answer, and the seconds that it took."""
        nonlocal since
        began = time.monotonic()
        states, took = await query(command, logger)
        if states is not None:
            since = None
            return states, took
        now, program = time.monotonic(), command.split()[0]
        since = began if since is None else since
        if (silent := now - since) > longest:
            raise error(
                f"Slurm has not answered {program} for {silent / 60:.0f} minutes. Running jobs continue, and the same"
                " command continues when it answers. Where there is no accounting: --slurm-status-command squeue"
            )
        logger.warning(f"Slurm does not answer {program}. Running jobs continue, and it is asked again.")
        return {}, now - began  # nothing is known of any job, so the plugin keeps them all

    plugin.query_job_status = query_job_status

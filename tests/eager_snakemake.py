"""Snakemake that asks Slurm for its jobs every second: the plugin waits ten seconds longer each time, up to minutes."""

from __future__ import annotations

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

if __name__ == "__main__":
    RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)
    main()

"""Keep Snakemake from looking at all waiting jobs ever more often.

Whenever its scheduler has looked at the waiting jobs, it wakes itself a second later, for the sake of
``--max-jobs-per-timespan``, and looks again. Each job that ends makes it look once more, so each adds a wake a second
for the rest of the workflow: after 350 jobs it looked 60 times a second, and took a seventh of a core.
"""

from __future__ import annotations

import time

from snakemake.scheduling.job_scheduler import JobScheduler

#: As Snakemake has it.
SCHEDULE = JobScheduler._schedule_reevalutation


def wake_once_at_a_time() -> None:
    """Let a scheduler that is going to wake itself anyway start no other timer for it."""
    JobScheduler._schedule_reevalutation = _schedule


def _schedule(scheduler: JobScheduler, delay: float) -> None:
    now = time.monotonic()
    if now >= getattr(scheduler, "wakes_at", now):
        scheduler.wakes_at = now + delay
        SCHEDULE(scheduler, delay)

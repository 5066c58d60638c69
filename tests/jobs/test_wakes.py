"""Snakemake's scheduler wakes itself once at a time."""

from __future__ import annotations

import threading
import time

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

from supertickets.jobs.wakes import wake_once_at_a_time


def test_a_scheduler_has_one_timer_at_a_time_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobScheduler, "_schedule_reevalutation", JobScheduler._schedule_reevalutation)  # to restore it
    wake_once_at_a_time()
    wake_once_at_a_time()  # as where two workflows use this one as a module
    scheduler, other = object.__new__(JobScheduler), object.__new__(JobScheduler)
    for one in (scheduler, other):
        one._open_jobs = threading.Semaphore(0)
    for _ in range(3):
        for _ in range(5):  # as many jobs have ended
            scheduler._schedule_reevalutation(0.05)
        other._schedule_reevalutation(0.05)
        for one in (scheduler, other):
            assert one._open_jobs.acquire(timeout=5)
    time.sleep(0.1)
    assert not scheduler._open_jobs.acquire(blocking=False)

"""A Slurm that does not answer, in place of which there is a stand-in."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from types import ModuleType

import pytest

from supertickets.jobs.slurm import PLUGIN, expect_answers


def test_without_an_answer_jobs_stay_and_in_the_end_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expect_answers(ValueError)  # no plugin, as on a machine without Slurm
    plugin, no_answer = ModuleType(PLUGIN), (None, None)
    answers = [({"7": "RUNNING"}, 0.1), no_answer, ({"8": "RUNNING"}, 0.1), no_answer, no_answer]

    async def query_job_status(command: str, logger: logging.Logger) -> object:
        return answers.pop(0)

    plugin.query_job_status = query_job_status
    monkeypatch.setitem(sys.modules, PLUGIN, plugin)
    expect_answers(ValueError, longest=0.2)

    def asked() -> tuple[dict[str, str], float]:
        return asyncio.run(plugin.query_job_status("squeue --all", logging.getLogger("slurm")))

    assert asked() == ({"7": "RUNNING"}, 0.1) and not caplog.records
    for state in ({}, {"8": "RUNNING"}, {}):  # hours may pass between two questions: only silence counts
        time.sleep(0.3)
        states, seconds = asked()
        assert states == state and seconds < 0.2
    assert caplog.text.count("does not answer squeue") == 2
    time.sleep(0.3)
    with pytest.raises(ValueError, match="not answered squeue for 0 minutes"):
        asked()

"""A Slurm that does not answer, in place of which there is a stand-in."""

from __future__ import annotations

import asyncio
import logging
import sys
from types import ModuleType

import pytest

from supertickets.jobs.slurm import PLUGIN, expect_answers


def test_without_an_answer_jobs_stay_and_in_the_end_there_is_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expect_answers(ValueError)  # no plugin, as on a machine without Slurm
    plugin, answers = ModuleType(PLUGIN), [({"7": "RUNNING"}, 0.1), (None, None), (None, None)]

    async def query_job_status(command: str, logger: logging.Logger) -> object:
        return answers.pop(0)

    plugin.query_job_status = query_job_status
    monkeypatch.setitem(sys.modules, PLUGIN, plugin)
    expect_answers(ValueError, longest=0.2)

    def states() -> dict[str, str]:
        return asyncio.run(plugin.query_job_status("squeue --all", logging.getLogger("slurm")))[0]

    assert states() == {"7": "RUNNING"} and not caplog.records
    assert states() == {} and "does not answer squeue" in caplog.text
    asyncio.run(asyncio.sleep(0.3))
    with pytest.raises(ValueError, match="not answered squeue for 0 minutes"):
        states()

"""Jobs end with the workflow that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from conftest import PROJECT

from supertickets.jobs.orphans import WORKFLOW, this_workflow

JOB = """
import signal, sys, time
from supertickets.jobs.orphans import end_with_workflow
end_with_workflow()
signal.signal(signal.SIGTERM, lambda *_: sys.exit("checkpoint"))
print("ready", flush=True)
time.sleep(60)
"""
WORKFLOW_CODE = f"""
import os, subprocess, sys
from supertickets.jobs.orphans import this_workflow
os.environ[{WORKFLOW!r}] = this_workflow()
subprocess.run([sys.argv[1], "-c", sys.argv[3] + '; true', sys.executable, "-c", sys.argv[2]])
sys.stdin.read()
"""


@pytest.mark.parametrize("shell", ['"$0" "$@"', 'sh -c \'"$0" "$@"; true\' "$0" "$@"'], ids=["a shell", "two shells"])
@pytest.mark.parametrize("killed", ["workflow", "shell", "neither"])
def test_a_job_ends_when_what_started_it_is_killed(killed: str, shell: str) -> None:
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow")}
    command = [sys.executable, "-c", WORKFLOW_CODE, "/bin/sh", JOB, shell]
    workflow = psutil.Popen(
        command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert workflow.stdout.readline() == "ready\n"
    *shells, job = workflow.children(recursive=True)
    assert len(shells) == 1 + shell.count("sh -c")
    if killed != "neither":
        (workflow if killed == "workflow" else shells[0]).kill()
        deadline = time.monotonic() + 20
        while job.is_running() and job.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not job.is_running() or job.status() == psutil.STATUS_ZOMBIE
        workflow.kill()
        errors = workflow.communicate()[1]
        assert "checkpoint" in errors
    else:
        time.sleep(1)
        assert job.is_running() and job.status() != psutil.STATUS_ZOMBIE
        job.send_signal(signal.SIGKILL)
        assert "killed" not in workflow.communicate()[1]


def test_a_job_that_starts_as_its_workflow_is_killed_ends_at_once() -> None:
    namespace = this_workflow().split()[1]
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow"), WORKFLOW: f"{2**30} {namespace}"}
    code = "from supertickets.jobs.orphans import end_with_workflow; import time; end_with_workflow(); time.sleep(60)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGTERM and "The workflow was killed, and this job ends." in done.stderr


@pytest.mark.parametrize("seen", [{}, {WORKFLOW: f"{2**30} 1"}], ids=["by hand", "in a container"])
def test_a_script_without_a_workflow_above_it_is_left_alone(seen: dict[str, str]) -> None:
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow")} | seen
    code = "from supertickets.jobs.orphans import end_with_workflow; end_with_workflow(); "
    code += "import threading; print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr

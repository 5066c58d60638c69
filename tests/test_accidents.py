"""The workflow is killed, and started twice at once: nothing is lost, wrong, or done twice."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from accidents import TARGETS, Disturber, accident_config, contents
from conftest import Workspace, new_workspace


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = new_workspace(tmp_path_factory.mktemp("undisturbed") / "the project", accident_config())
    workspace.make(*TARGETS)
    return workspace


def test_killed_at_random_moments(undisturbed: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    workspace = undisturbed.copy(tmp_path_factory.mktemp("killed") / "the project")
    tally = Disturber(workspace, contents(undisturbed), seed=7).run(moments=4, longest=12)
    assert not tally.wrong, tally
    assert sum(tally.kills.values()) >= 2 and tally.finished


def test_a_second_workflow_in_the_folder_is_refused_and_disturbs_nothing(
    undisturbed: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    workspace = new_workspace(tmp_path_factory.mktemp("twice") / "the project", accident_config())
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *TARGETS]
    first = subprocess.Popen(command, cwd=workspace.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 60
    while not (workspace.folder / "results").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    second = workspace(*TARGETS)
    assert second.returncode and "cannot be locked" in second.stdout + second.stderr
    output, _ = first.communicate(timeout=300)
    assert first.returncode == 0, output
    assert contents(workspace) == contents(undisturbed)

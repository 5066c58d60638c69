"""The workflow is killed, and started twice at once: nothing is lost, wrong, or done twice."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from accidents import TARGETS, Disturber, accident_config, children, contents, finished_runs, kill_all, server_of
from conftest import PROJECT, Workspace, ended, new_workspace
from safetensors.numpy import load_file

from supertickets.jobs.finished import IDENTITY, SUFFIX


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = new_workspace(tmp_path_factory.mktemp("undisturbed") / "the project", accident_config())
    workspace.make(*TARGETS)
    return workspace


@pytest.mark.slow
def test_killed_at_random_moments(undisturbed: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    workspace = undisturbed.copy(tmp_path_factory.mktemp("killed") / "the project")
    tally = Disturber(workspace, contents(undisturbed), seed=7).run(kills=3, longest=12)
    assert not tally.wrong, tally
    assert sum(tally.kills.values()) == 3 and tally.finished


@pytest.mark.slow
def test_a_kill_of_all_spares_neither_the_server_nor_a_warm_job(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "the project", accident_config())
    record = "results/runs/tiny/toy/n32/seed1/full/record.json"
    call = Disturber(workspace, {}, seed=0, targets=[record]).start()
    wait_for((workspace.folder / record).with_name("train.log"), "step")
    server = server_of(call.pid)
    assert server and len(children(server)) == 1
    below = [psutil.Process(number) for number in children(call.pid)]
    kill_all(call.pid)
    call.wait()
    deadline = time.monotonic() + 10
    while not all(map(ended, below)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert all(map(ended, below))


@pytest.mark.slow
def test_a_training_that_ends_while_nobody_looks_is_not_done_again(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "the project", accident_config())
    run = workspace.folder / "results/runs/tiny/toy/n32/seed1/full"
    target = str((run.parent / "winning-0.60/record.json").relative_to(workspace.folder))
    command = [sys.executable, "-m", "snakemake", "--cores", "2", target]
    call = subprocess.Popen(command, cwd=workspace.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(run / "train.log", "step")
    call.send_signal(signal.SIGSTOP)  # as the Snakemake of a login node that is away
    wait_for(run / f"checkpoint{SUFFIX}" / IDENTITY, "")
    record = (run / "record.json").read_bytes()
    call.kill()
    call.wait()
    workspace.make("--unlock")
    workspace.make(target)
    assert (run / "record.json").read_bytes() == record  # with the seconds that it took
    log = (run / "train.log").read_text()
    assert "finished before with the same inputs, settings and code" in log and "epoch" not in log
    # Its weights are given up once they are scored.
    assert not list((workspace.folder / "results/runs").rglob("model.safetensors*"))


@pytest.mark.slow
@pytest.mark.parametrize("cold", ["", "1"])
def test_a_closed_terminal_is_as_clean_as_ctrl_c(tmp_path: Path, cold: str) -> None:
    config = accident_config()
    config["training"]["epochs"] = 400  # a busy machine takes seconds to tell of the terminal
    workspace = new_workspace(tmp_path / "the project", config)
    record = "results/runs/tiny/toy/n32/seed1/full/record.json"
    run = (workspace.folder / record).parent
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all", "--", record]
    number, terminal = pty.fork()
    if number == 0:
        os.chdir(workspace.folder)
        for ending in (signal.SIGHUP, signal.SIGINT):  # as in a terminal, whatever has started the tests
            signal.signal(ending, signal.SIG_DFL)
        os.execve(sys.executable, command, os.environ | {"SUPERTICKETS_COLD": cold})
    wait_for(run / "train.log", "step")
    os.close(terminal)
    os.waitpid(number, 0)
    assert not [*workspace.folder.glob(".snakemake/locks/*")]
    assert not (run / "record.json").exists() and (run / "checkpoint.safetensors").exists()
    if not cold:
        workspace.make(record)  # without --unlock
        assert "continues after step" in (run / "train.log").read_text()


def wait_for(path: Path, text: str, seconds: float = 120) -> None:
    """Until a file is there that holds a text."""
    deadline = time.monotonic() + seconds
    while not (path.exists() and text in path.read_text()):
        assert time.monotonic() < deadline, f"{path} does not say {text!r}"
        time.sleep(0.02)


@pytest.mark.slow
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


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A results folder that can be mounted on, of an experiment that has a full model; unmounted in the end."""
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], capture_output=True).returncode:
        pytest.skip("only root may mount, and not in every container")
    subprocess.run(["umount", tmp_path], check=True)
    results = tmp_path / "the project" / "results"
    yield results
    subprocess.run(["umount", results], check=True)


def mount(results: Path, *options: str) -> None:
    subprocess.run(["mount", *options, results], check=True)


def test_a_full_disk_leaves_nothing_half_written(undisturbed: Workspace, mounted: Path) -> None:
    workspace = new_workspace(mounted.parent, accident_config())
    expected = contents(undisturbed)
    mounted.mkdir()
    mount(mounted, "-t", "tmpfs", "-o", "size=400k", "tmpfs")
    done = workspace(*TARGETS)
    assert done.returncode and "No space left on device" in done.stdout + done.stderr
    before = finished_runs(workspace)
    assert before
    for path, content in contents(workspace).items():
        if path in expected:
            assert content == expected[path], path
        else:  # weights that are deleted after their use, and checkpoints
            load_file(workspace.folder / path)
    mount(mounted, "-o", "remount,size=100m")
    workspace.make(*TARGETS)
    assert contents(workspace) == expected and before.items() <= finished_runs(workspace).items()


def test_a_read_only_results_folder_is_one_clear_error(undisturbed: Workspace, mounted: Path) -> None:
    workspace = undisturbed.copy(mounted.parent)
    shutil.rmtree(mounted / "figures")
    kept = contents(workspace)
    mount(mounted, "--bind", str(mounted))
    mount(mounted, "-o", "remount,ro,bind")
    done = workspace(*TARGETS)
    output = done.stdout + done.stderr
    assert done.returncode and "results: not writable" in output and "Traceback" not in output
    assert "rule draw_figure" not in output, "jobs were started"
    assert contents(workspace) == kept
    mount(mounted, "-o", "remount,rw,bind")
    workspace.make(*TARGETS)
    assert contents(workspace) == contents(undisturbed)


@pytest.mark.slow
def test_results_from_the_future_are_refused_with_what_mends_it(undisturbed: Workspace, tmp_path: Path) -> None:
    workspace = undisturbed.copy(tmp_path / "the project")
    workspace.configure(accident_config() | {"ratios": [0.3, 0.5, 0.6]})
    new = workspace.planned(*TARGETS)
    results = workspace.folder / "results"
    paths = [results, *results.rglob("*")]
    for path in paths:
        later = path.lstat().st_mtime_ns + 3600 * 10**9
        os.utime(path, ns=(later, later))
    times = {path: path.lstat().st_mtime_ns for path in paths}
    refused = workspace(*TARGETS)
    output = refused.stdout + refused.stderr
    assert refused.returncode and "dated in the future" in output and "the first of them results" in output
    assert "Traceback" not in output and {path: path.lstat().st_mtime_ns for path in paths} == times
    mend(workspace, output.rpartition("now: ")[2].splitlines()[0])
    # With times alone, as for files that are too large to be compared by content.
    assert workspace.planned("--max-checksum-file-size", "0", *TARGETS) == new
    known = finished_runs(workspace)
    workspace.make("--max-checksum-file-size", "0", *TARGETS)
    after = finished_runs(workspace)
    assert known.items() <= after.items() and len(after) == len(known) + 1


def mend(workspace: Workspace, command: str) -> None:
    """Give a command that dates files anew, which leaves none of its own."""
    subprocess.run(command, shell=True, cwd=workspace.folder, check=True)
    assert not (workspace.folder / ".now").exists()


def test_large_files_of_ones_own_from_the_future_are_refused(undisturbed: Workspace, tmp_path: Path) -> None:
    workspace = undisturbed.copy(tmp_path / "the project")
    later = time.time() + 3600
    weights, config = (workspace.folder / "data/tiny" / name for name in ("model.safetensors", "config.json"))
    os.utime(config, (later, later))  # small, so compared by content
    assert workspace.planned(*TARGETS) == {}
    os.truncate(weights, 2_000_000)
    os.utime(weights, (later, later))
    times = {path: path.stat().st_mtime_ns for path in (workspace.folder / "results").rglob("*")}
    refused = workspace(*TARGETS)
    output = refused.stdout + refused.stderr
    assert refused.returncode and "2 files are dated in the future" in output
    assert "first of them data/tiny/config.json" in output and " data/tiny/model.safetensors " in output
    assert {path: path.stat().st_mtime_ns for path in times} == times
    mend(workspace, output.rpartition("now: ")[2].splitlines()[0])
    assert workspace.planned(*TARGETS) == {}
    weights.touch()
    refused = workspace(*TARGETS)
    output = refused.stdout + refused.stderr
    assert refused.returncode and "dated in the future" not in output
    # What the job that reads the truncated file says stands near the end, below all that Snakemake says of it.
    below = output.rpartition("Exiting because")[2]
    (line,) = (line for line in below.splitlines() if line.startswith("Error: "))
    assert "model.safetensors" in line and line.endswith("(results/logs/prepare_model/tiny.log)")


def test_results_that_were_copied_without_times_are_mended_by_one_command(
    undisturbed: Workspace, tmp_path: Path
) -> None:
    workspace = undisturbed.copy(tmp_path / "the project")
    paths = [path for folder in ("results", "data") for path in (workspace.folder / folder).rglob("*")]
    for place, path in enumerate(sorted(paths, reverse=True)):
        os.utime(path, (time.time() - 100, time.time() - 100 + place / 100))
    by_time = ("--max-checksum-file-size", "0", *TARGETS)  # as files of more than 1 MB are compared
    assert "finetune" in workspace.planned(*by_time)
    page = (PROJECT / "docs" / "interruptions.md").read_text()
    (command,) = re.findall(r"^touch \.now && .*$", page, re.MULTILINE)
    mend(workspace, command)
    assert workspace.planned(*by_time) == {}

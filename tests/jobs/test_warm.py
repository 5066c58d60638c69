"""Warm jobs: a server forks them, and they are like those that start a Python of their own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import snakemake.benchmark
from conftest import ended, output_of
from test_entry_point import NAMED

from supertickets.jobs.benchmark import measure_warm_jobs
from supertickets.jobs.fingerprint import LIBRARY
from supertickets.jobs.warm import COLD, FOLDER, ONE_THREAD, PASSED_ON
from supertickets.server import _library

TRIAL = '''
"""What jobs do in the tests."""

import logging
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from supertickets.errors import UserError


def end(how: str) -> None:
    """End as told."""
    print(Path.cwd(), os.environ["MARK"], oct(os.umask(0)), sys.stdin.read(), flush=True)
    logging.getLogger("x").info("logged")
    sys.stdout.write("not flushed")
    if how == "error":
        raise UserError("how is error: expected none")
    if how == "defect":
        raise ZeroDivisionError("a defect")
    if how == "status":
        sys.exit(3)
    if how == "hard":
        sys.stdout.flush()
        os._exit(7)
    if how.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, how))
        time.sleep(10)


def look(path: Path) -> None:
    """Write the number of the parent, and how many threads it has."""
    path.write_text(f"{os.getppid()} {len(os.listdir(f'/proc/{os.getppid()}/task'))}")


def spend() -> None:
    """Take memory and time, and end before Snakemake looks again."""
    held, end = b"x" * 2**27, time.process_time() + 0.1
    while time.process_time() < end:
        held.count(b"y")


def files() -> None:
    """Print which open files are a second standard input, output or error."""
    links = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # that of the list
            links[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    print([number for number, link in links.items() if number > 2 and link in (links[0], links[1], links[2])])


def wait(ready: Path, goes_on: Path) -> None:
    """Wait for a file; at a signal, write which into the other."""
    def note(number: int, frame: object) -> None:
        ready.write_text(signal.Signals(number).name)
        sys.exit("checkpoint")

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, note)
    ready.write_text(f"{os.getpid()} {os.getppid()}")
    while not goes_on.exists():
        time.sleep(0.05)
'''
SNAKEMAKE = """
import os, sys
from pathlib import Path
from supertickets.jobs.environment import set_environment
print(set_environment(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def heed_signals() -> None:
    """As in a terminal, whatever has started the tests: a background process ignores some."""
    for number in PASSED_ON:
        signal.signal(number, signal.SIG_DFL)


class Workflow:
    """A process that stands for snakemake, and jobs of its workflow."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(LIBRARY, folder / "supertickets", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "supertickets" / "trial.py").write_text(TRIAL)
        self.library = folder
        self.environment = os.environ | {"PYTHONPATH": str(folder), "MARK": "mark"}
        self.environment.pop("PYTHONUNBUFFERED", None)  # so that what is not flushed is told from what is
        command = [sys.executable, "-c", SNAKEMAKE, str(folder)]
        self.process = psutil.Popen(
            command, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.folder = Path(self.process.stdout.readline().strip())
        self.environment[FOLDER] = str(self.folder)

    def start(self, function: str, *options: str, python: str = sys.executable, **environment: str) -> psutil.Popen:
        command = [python, "-P", "-m", "supertickets", f"trial:{function}", *options]
        pipes = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
        return psutil.Popen(
            command, env=self.environment | environment, cwd=self.library, text=True, preexec_fn=heed_signals, **pipes
        )

    def run(self, function: str, *options: str, **more: str) -> tuple[int, str, str]:
        job = self.start(function, *options, **more)
        output, errors = job.communicate("read")
        return job.returncode, output, errors

    def server(self, out: Path, **more: str) -> tuple[int, int]:
        """Number of the process above a job's, which is the server's of a warm one, and how many threads it has."""
        assert self.run("look", "--path", str(out), **more)[0] == 0
        number, threads = map(int, out.read_text().split())
        return number, threads

    def waiting(self, folder: Path) -> tuple[psutil.Popen, psutil.Process, psutil.Process]:
        """A job that has begun and waits: what waits for it, its process, and the server."""
        job = self.start("wait", "--ready", str(folder / "ready"), "--goes-on", str(folder / "goes on"))
        until(lambda: (folder / "ready").exists() and len((folder / "ready").read_text().split()) == 2)
        return job, *map(psutil.Process, map(int, (folder / "ready").read_text().split()))


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def workflow(tmp_path: Path) -> Iterator[Workflow]:
    found = Workflow(tmp_path / "library")
    yield found
    with suppress(psutil.NoSuchProcess):
        found.process.kill()
        found.process.communicate()
    shutil.rmtree(found.folder, ignore_errors=True)


@pytest.mark.parametrize("how", ["well", "error", "defect", "status", "hard", "SIGKILL", "SIGTERM", "SIGINT"])
def test_a_warm_job_ends_as_a_cold_one_does(workflow: Workflow, how: str) -> None:
    warm, cold = workflow.run("end", "--how", how), workflow.run("end", "--how", how, **{COLD: "1"})
    assert warm[:2] == cold[:2] and "mark 0o" in warm[1] and warm[1].partition("\n")[0].endswith("read")
    assert warm[2].count(" logged\n") == cold[2].count(" logged\n") == 1
    messages = [text.partition(" logged\n")[2].splitlines()[-1:] for text in (warm[2], cold[2])]  # below a traceback
    assert messages[0] == messages[1] and bool(messages[0]) == (how in ("error", "defect", "SIGINT"))


def test_one_server_for_all_jobs_which_ends_with_the_workflow(workflow: Workflow, tmp_path: Path) -> None:
    jobs = [workflow.start("look", "--path", str(tmp_path / str(index))) for index in range(6)]  # all at once
    assert [job.wait(30) for job in jobs] == [0] * 6
    (number,) = {int((tmp_path / str(index)).read_text().split()[0]) for index in range(6)}
    server = psutil.Process(number)
    assert server.cmdline()[1:4] == ["-P", "-m", "supertickets.server"]
    workflow.process.communicate("")
    until(lambda: ended(server))
    assert not workflow.folder.exists()


def test_an_edited_library_or_another_python_is_not_the_servers(workflow: Workflow, tmp_path: Path) -> None:
    server, _ = workflow.server(tmp_path / "out")
    assert workflow.server(tmp_path / "out")[0] == server
    assert "a Python of its own" not in workflow.run("look", "--path", str(tmp_path / "out"))[2]
    other = tmp_path / "python"
    other.symlink_to(Path(sys.executable).resolve())
    assert workflow.server(tmp_path / "out", python=str(other))[0] == os.getpid()
    edited = workflow.library / "supertickets" / "trial.py"
    edited.write_text(edited.read_text().replace("{os.getppid()} {len", "{os.getppid()} 77{len"))
    number, threads = workflow.server(tmp_path / "out")
    assert number == os.getpid() and str(threads).startswith("77")
    assert "starts a Python of its own" in workflow.run("look", "--path", str(tmp_path / "out"))[2]
    assert workflow.run("look", "--path", str(tmp_path / "out"), **{COLD: "1"})[2] == ""  # as asked for


def test_an_installation_is_noticed_and_compiled_files_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    (tmp_path / "torch-1.dist-info").mkdir()
    before = _library()
    (tmp_path / "__pycache__").mkdir()
    assert _library() == before
    (tmp_path / "torch-1.dist-info").rename(tmp_path / "torch-2.dist-info")
    assert _library() != before


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_signals_come_to_the_job(workflow: Workflow, tmp_path: Path, name: str) -> None:
    job, _, _ = workflow.waiting(tmp_path)
    job.send_signal(getattr(signal, name))
    assert "checkpoint" in job.communicate()[1] and job.returncode == 1
    assert (tmp_path / "ready").read_text() == name


@pytest.mark.parametrize(
    ("killed", "cold"),
    [("workflow", ""), ("waiting", ""), ("shell", ""), ("workflow", "1"), ("shell", "1")],
)
def test_a_job_ends_with_what_started_it(workflow: Workflow, tmp_path: Path, killed: str, cold: str) -> None:
    workflow.environment |= {COLD: cold}
    shell = psutil.Popen(
        ["/bin/sh", "-c", '"$0" -P -m supertickets trial:wait --ready ready --goes-on never; true', sys.executable],
        env=workflow.environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: (tmp_path / "ready").exists() and len((tmp_path / "ready").read_text().split()) == 2)
    job = psutil.Process(int((tmp_path / "ready").read_text().split()[0]))
    {"workflow": workflow.process, "waiting": shell.children()[0], "shell": shell}[killed].kill()
    until(lambda: ended(job))
    assert (tmp_path / "ready").read_text() == "SIGTERM"
    assert "was killed, and this job ends" in shell.communicate()[1]
    workflow.process.kill()
    until(lambda: not workflow.folder.exists() or bool(cold))  # the server removes what is left


def test_a_job_that_starts_as_its_workflow_is_killed_ends_at_once(workflow: Workflow, tmp_path: Path) -> None:
    workflow.process.kill()
    workflow.process.communicate()
    job = workflow.start("wait", "--ready", str(tmp_path / "ready"), "--goes-on", str(tmp_path / "never"))
    errors = job.communicate()[1]
    assert "The workflow was killed, and this job ends." in errors and job.returncode in (1, -signal.SIGTERM)


def test_the_servers_death_harms_no_job(workflow: Workflow, tmp_path: Path) -> None:
    job, _, server = workflow.waiting(tmp_path)
    server.kill()
    until(lambda: ended(server))
    assert workflow.server(tmp_path / "out")[0] == os.getpid()  # the next one is cold
    (tmp_path / "goes on").touch()
    assert job.wait(20) == 0


def test_a_job_that_is_killed_after_its_server_is_told_of_though_others_run(workflow: Workflow, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    first, process, server = workflow.waiting(tmp_path / "first")
    second, _, _ = workflow.waiting(tmp_path / "second")
    server.kill()
    until(lambda: ended(server))
    process.kill()
    assert "ended without a status" in first.communicate(timeout=20)[1] and first.returncode == 1
    (tmp_path / "second" / "goes on").touch()
    assert second.wait(20) == 0


def test_who_connects_and_sends_nothing_harms_no_job(workflow: Workflow, tmp_path: Path) -> None:
    server, threads = workflow.server(tmp_path / "out")
    assert threads == 1
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(f"{workflow.folder}/server")
    shell = '"$0" -P -m supertickets trial:look --path "$1" 2>&-'  # a closed file cannot be sent: that job is cold
    command = ["/bin/sh", "-c", shell, sys.executable, str(tmp_path / "closed")]
    assert subprocess.run(command, env=workflow.environment, check=True).returncode == 0
    assert workflow.server(tmp_path / "out")[0] == server


def test_the_server_is_not_measured_with_the_first_job(workflow: Workflow, tmp_path: Path) -> None:
    job, _, server = workflow.waiting(tmp_path)
    assert server not in job.children(recursive=True)


@pytest.mark.parametrize("shell", ["exec", "true; "])  # one becomes its command, one waits for it
def test_a_benchmark_measures_a_job_that_ends_before_it_looks_again(
    workflow: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    workflow.server(tmp_path / "out")
    monkeypatch.setattr(snakemake.benchmark, "BenchmarkTimer", snakemake.benchmark.BenchmarkTimer)
    measure_warm_jobs(workflow.folder)
    command = ["/bin/sh", "-c", f"{shell} '{sys.executable}' -P -m supertickets trial:spend; exit $?"]
    kept = {*workflow.folder.iterdir()}
    process = psutil.Popen(command, env=workflow.environment)
    with snakemake.benchmark.benchmarked(process.pid) as found:
        assert process.wait(20) == 0
    assert found.max_rss > 128 and 0.1 < found.cpu_time < 1
    assert {*workflow.folder.iterdir()} == kept


def test_too_many_open_files_end_no_server(workflow: Workflow, tmp_path: Path) -> None:
    number, _ = workflow.server(tmp_path / "out")
    server = psutil.Process(number)
    before = server.rlimit(psutil.RLIMIT_NOFILE)
    server.rlimit(psutil.RLIMIT_NOFILE, (3, before[1]))
    job = workflow.start("look", "--path", str(tmp_path / "out"))
    with pytest.raises(psutil.TimeoutExpired):
        job.wait(1)
    server.rlimit(psutil.RLIMIT_NOFILE, before)
    assert job.wait(20) == 0 and int((tmp_path / "out").read_text().split()[0]) == number


def test_a_job_has_its_standard_files_once(workflow: Workflow) -> None:
    assert workflow.run("files")[:2] == (0, "[]\n")


def test_a_call_removes_what_killed_ones_have_left() -> None:
    with tempfile.TemporaryDirectory() as temporary:  # short enough for a socket
        elsewhere = Path(temporary) / "supertickets-elsewhere"  # of a call on another machine, which may run on
        elsewhere.mkdir()
        os.mkfifo(elsewhere / "alive-elsewhere")
        os.utime(elsewhere, (0, 0))
        calls, folders = [], []
        for _ in range(4):
            call = psutil.Popen(
                [sys.executable, "-c", SNAKEMAKE, str(LIBRARY.parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env=os.environ | {"PYTHONPATH": str(LIBRARY.parent), "TMPDIR": temporary}, text=True,
            )  # fmt: skip
            calls.append(call)
            folders.append(Path(call.stdout.readline().strip()))
            if len(calls) < 3:  # the third runs on
                call.kill()
                call.communicate()
            if len(calls) != 2:  # the second has just begun
                os.utime(folders[-1], (0, 0))
        assert {*Path(temporary).iterdir()} == {elsewhere, *folders[1:]}
        for call in calls[2:]:
            call.communicate("")
        assert {*Path(temporary).iterdir()} == {elsewhere, folders[1]}


def test_by_hand_and_without_a_folder_a_job_is_cold(workflow: Workflow, tmp_path: Path) -> None:
    for folder in ("", str(tmp_path / "not there")):
        workflow.environment[FOLDER] = folder
        assert workflow.server(tmp_path / "out")[0] == os.getpid()


def test_a_server_that_has_imported_everything_has_one_thread_and_has_not_touched_cuda() -> None:
    modules = sorted({f"supertickets.{name.partition(':')[0]}" for name in NAMED})
    code = f"""
import os
os.environ |= {ONE_THREAD} | {{"JE_ARROW_MALLOC_CONF": "background_thread:false"}}
import importlib, torch
def touched(*args, **kwargs): raise AssertionError("CUDA is touched")
for name in ("is_available", "device_count", "_lazy_init", "init", "current_device", "get_device_properties"):
    setattr(torch.cuda, name, touched)
for name in {modules}: importlib.import_module(name)
print(len(os.listdir("/proc/self/task")))
"""
    assert output_of(code) == "1\n"

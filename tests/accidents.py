"""Kill the tiny workflow at random moments, call it again, and see that nothing is lost, wrong or done twice."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conftest import Workspace, tiny_config

from benchmarks.reaped import adopt_orphans
from supertickets.jobs.finished import IDENTITY, KEPT, SUFFIX

TARGETS = ("results/figures/phase_transition.pdf", "results/tables/super_tickets.csv", "results/scores.parquet")
#: Of one encoder for two tasks, which a new one continues from.
SHARED_TARGETS = (
    "results/multi_task/toy+toy_value/tiny/super/seed1/record.json",
    "results/adaptation/toy+toy_value/tiny/toy_new/n20/seed1/super-full/record.json",
)
#: Of a record what no two runs have in common.
MEASURED = ("seconds", "memory_bytes")
WAYS = ("all", "workflow", "server", "job")


def accident_config(epochs: int = 100) -> dict[str, Any]:
    """A small experiment whose trainings last for seconds and write checkpoints all the time."""
    how = {"epochs": epochs, "batch_size": 8, "learning_rate": 1.0e-3}
    return tiny_config(tasks=["toy"], seeds=[1], training=how, checkpoint_minutes=0.005)


def shared_config(epochs: int = 100) -> dict[str, Any]:
    """The config of :func:`accident_config` with one encoder for two tasks, through their tickets, and a new task."""
    shared = {"modes": ["super"], "ratios": {"toy": 0.3, "toy_value": 0.6}}
    parts = {"multi_task": shared, "adaptation": {"tasks": ["toy_new"], "train_sizes": [20]}}
    config = accident_config(epochs) | {"tasks": ["toy", "toy_value"]} | parts
    tasks = config["define"]["tasks"]
    tasks["toy_new"] = tasks["toy"] | {"split": {"seed": 9}}
    return config


def contents(workspace: Workspace) -> dict[str, str]:
    """Fingerprint of every result by path; logs, costs and what finished trainings keep are left out."""
    found = {}
    for path in sorted((workspace.folder / "results").rglob("*")):
        within = path.relative_to(workspace.folder)
        if path.is_dir() or path.suffix == ".log" or "benchmark" in str(within) or path.parent.suffix == SUFFIX:
            continue
        content = path.read_bytes()
        if path.name == "record.json":
            record = {key: value for key, value in json.loads(content).items() if key not in MEASURED}
            content = json.dumps(record).encode()
        found[str(within)] = hashlib.sha256(content).hexdigest()
    return found


def finished_runs(workspace: Workspace) -> dict[str, bytes]:
    """Records of all runs that are at their end, which tell how long each has trained: no training has the same."""
    kept = (workspace.folder / "results").rglob(f"*{SUFFIX}/record.json{KEPT}")
    found = {path.parent.with_name("record.json"): path for path in kept if (path.parent / IDENTITY).exists()}
    return {str(record): path.read_bytes() for record, path in found.items()}


@dataclass
class Tally:
    """What happened: kills by way, calls that asked to be unlocked, and what was found wrong.

    Attributes:
        resumed: runs that have trained on from a checkpoint of their own.
        left: intermediate files that were left behind, until Snakemake was told to delete them.
    """

    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WAYS, 0))
    unlocked: int = 0
    resumed: int = 0
    finished: int = 0
    left: int = 0
    wrong: list[str] = field(default_factory=list)


def children(process: int) -> list[int]:
    """Numbers of the processes below one, nearest first."""
    found = []
    for number in _children_of(process):
        found += [number, *children(number)]
    return found


def _children_of(process: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        return [int(number) for task in tasks for number in (task / "children").read_text().split()]
    except OSError:  # it has ended
        return []


def server_of(process: int) -> int | None:
    """Number of the server of Snakemake's warm jobs, once nothing but Snakemake is above it; None if there is none."""
    for number in _children_of(process):
        with suppress(OSError):  # it has ended
            if b"supertickets.server" in Path(f"/proc/{number}/cmdline").read_bytes():
                return number
    return None


def kill_all(process: int) -> None:
    """Kill a process and all below it as if at one moment: they are stopped first, so that none starts another."""
    stopped: set[int] = set()
    while new := {process, *children(process)} - stopped:
        _send(signal.SIGSTOP, new)
        stopped |= new
    _send(signal.SIGKILL, stopped)


def _send(number: int, processes: set[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


class Disturber:
    """Calls the workflow of a workspace again and again, and kills it.

    Args:
        workspace: an experiment; its results are deleted.
        expected: what :func:`contents` are when nothing happens.
        seed: of moments and ways.
        targets: what is asked for.
    """

    def __init__(
        self, workspace: Workspace, expected: dict[str, str], seed: int, targets: Sequence[str] = TARGETS
    ) -> None:
        self.workspace, self.expected, self.targets = workspace, expected, targets
        self.random = random.Random(seed)
        self.tally = Tally()
        self._known: dict[str, bytes] = {}

    def run(self, kills: int, longest: float, say: Callable[[str], None] = lambda text: None) -> Tally:
        """Kill the workflow so many times, each at a random moment up to so many seconds after its start.

        A call that has come to its end before is none; the next one then starts from nothing.
        """
        self._reset()
        while sum(self.tally.kills.values()) < kills:
            way, after = self.random.choice(WAYS), self.random.uniform(0, longest)
            ended = self._kill(way, after)
            done = sum(self.tally.kills.values())
            say(f"{done}/{kills} after {way} at {after:.1f} s, {len(self._known)} runs finished")
            if ended:
                self._finish()
                self._reset()
        self._finish()
        return self.tally

    def _reset(self) -> None:
        for name in ("results", ".snakemake"):
            shutil.rmtree(self.workspace.folder / name, ignore_errors=True)
        self._known = {}

    def start(self) -> subprocess.Popen[bytes]:
        """A call of the workflow."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *self.targets]
        return subprocess.Popen(
            command, cwd=self.workspace.folder, start_new_session=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=adopt_orphans,
        )  # fmt: skip

    def _kill(self, way: str, after: float) -> bool:
        """Start a call and kill all, or one of its processes; whether the workflow has come to its end."""
        self._unlock()
        process = self.start()
        try:
            code = process.wait(after)
        except subprocess.TimeoutExpired:
            server = server_of(process.pid)
            draw = {
                "server": [server] if server else [],
                "job": [number for number in children(process.pid) if number != server],
            }.get(way, [process.pid])
            self.tally.kills[way] += bool(draw)
            if way == "all":
                kill_all(process.pid)
            elif draw:
                _send(signal.SIGKILL, {self.random.choice(draw)})
            # After one of its processes alone it finishes other jobs, and the next call makes what is missing.
            code = process.wait(600)
            if way == "server" and draw and code:
                self.tally.wrong.append(f"{after:.1f} s: the call failed after its server was killed")
        self._look()
        return code == 0

    def _unlock(self) -> None:
        """What Snakemake asks for after it was killed, and nothing else."""
        locks = self.workspace.folder / ".snakemake" / "locks"
        if locks.is_dir() and any(locks.iterdir()):
            self.workspace.make("--unlock")
            self.tally.unlocked += 1

    def _look(self) -> None:
        """No run that was finished has been made again."""
        found = finished_runs(self.workspace)
        self.tally.wrong += [
            f"{path}: finished, and made again"
            for path, record in self._known.items()
            if found.get(path, record) != record
        ]
        new = (Path(path).with_name("train.log") for path in found.keys() - self._known.keys())
        self.tally.resumed += sum("continues after step" in log.read_text() for log in new)
        self._known |= found

    def _finish(self) -> None:
        """Let the workflow come to its end, and compare."""
        self._unlock()
        done = self.workspace(*self.targets)
        self._look()
        self.tally.finished += 1
        if done.returncode:
            self.tally.wrong.append(f"the last call failed: {(done.stdout + done.stderr)[-2000:]}")
        found = contents(self.workspace)
        if left := found.keys() - self.expected.keys():
            self.tally.left += len(left)
            self.workspace("--delete-temp-output", *self.targets)
            found = contents(self.workspace)
        self.tally.wrong += [
            f"{path}: differs" for path in found.keys() & self.expected.keys() if found[path] != self.expected[path]
        ]
        self.tally.wrong += [f"{path}: missing, or too much" for path in found.keys() ^ self.expected.keys()]

"""Processes of benchmarks that have imported everything before they start: what takes longest in a tiny one."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import traceback
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import pytest

from benchmarks.data import environment
from supertickets.jobs.warm import SERVER

#: What is started for each training.
MODULES = [f"benchmarks.{name}" for name in ("ours", "peer", "masks", "multi_task_training")]


def ended(module: str, text: str) -> subprocess.CompletedProcess[str]:
    """As :func:`benchmarks.children.ended`, by a fork of a server."""
    context = get_context("forkserver")
    context.set_forkserver_preload(MODULES)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, value in (environment() | SERVER).items():  # the server starts with the first call
            patch.setenv(name, value)
        files = Path(folder) / "out", Path(folder) / "err"
        process = context.Process(target=_call, args=(module, text, *files))
        process.start()
        process.join()
        out, err = (path.read_text() if path.exists() else "" for path in files)
    return subprocess.CompletedProcess(module, process.exitcode or 0, out, err)


def _call(module: str, text: str, out: Path, err: Path) -> None:
    """Call a module's main function, with a text to read and files to write to."""
    sys.stdin = io.StringIO(text)
    with out.open("w") as output, err.open("w") as error, redirect_stdout(output), redirect_stderr(error):
        try:
            import_module(f"benchmarks.{module}").main()
        except BaseException:
            traceback.print_exc()
            raise

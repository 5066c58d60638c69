"""The server of a workflow's jobs: it imports what they need, once, and forks a process for each of them.

A forked process starts as a copy of this one, with everything imported, in a few milliseconds. Only the thread that
forks is copied, and CUDA does not work in a copy, so this process has one thread and does not touch CUDA.

:mod:`supertickets.jobs.warm` starts it, as ``python -m supertickets.server FOLDER SOCKET``. There, the process that a
rule's shell has started asks for a job over a connection, and waits. The job's process and this one hold the other end
of it. The job sends its own status, so that it counts even if this process was killed; this process sends that of a job
which could not. It ends with the workflow's Snakemake.
"""

from __future__ import annotations

import gc
import importlib
import marshal
import os
import select
import shutil
import signal
import socket
import sys
import sysconfig
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from supertickets.call import main
from supertickets.jobs.orphans import alive, end_with_workflow, has_ended
from supertickets.jobs.warm import ONE_THREAD, SECONDS, STARTED, STATUS_BYTES

#: Timeout for reading a job from a connected process; the server is blocked meanwhile.
PATIENCE_SECONDS = 2
#: Delay before the folder is removed, so that jobs that are starting find it, and end.
KEPT_SECONDS = 3


def serve(folder: Path, listener: socket.socket) -> None:
    """Start the jobs that are asked for, and report their ends, until the workflow's Snakemake ends."""
    workflow, (awake, waker) = alive(folder), os.pipe()
    if workflow is None or has_ended(workflow):
        return
    signal.signal(signal.SIGCHLD, lambda number, frame: os.write(waker, b"+"))  # wakes select() at the end of a job
    library, jobs = _library(), dict[int, tuple[socket.socket, Path]]()
    watched: list[Any] = [listener, workflow, awake]
    while workflow not in (ready := select.select(watched, [], [])[0]):
        if awake in ready:
            os.read(awake, 4096)
            _report(jobs)
        if listener in ready:
            try:
                connection = listener.accept()[0]
            except OSError:  # too many files are open
                time.sleep(SECONDS)
                continue
            others = [listener.fileno(), awake, waker, *(other.fileno() for other, _ in jobs.values())]
            job = None
            with suppress(OSError, ValueError, EOFError, TypeError):  # the client has gone, or this process cannot fork
                job = _begin(connection, library, workflow, others)
            if job is None:
                connection.close()  # the client runs the job itself
                continue
            process, note = job[0], folder / job[1]
            jobs[process] = connection, note
            with suppress(OSError):  # nobody measures it then
                note.write_text(str(process))


def _library() -> list[tuple[str, int, int]]:
    """Times and sizes of the library's files, and of what says which packages are installed.

    After an edit or an installation a job needs a process that has not imported the old ones.
    """
    folders = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    paths = [*Path(__file__).parent.rglob("*.py"), *(path for folder in folders for path in folder.glob("*.dist-info"))]
    return [(str(path), (found := path.stat()).st_mtime_ns, found.st_size) for path in sorted(paths)]


def _begin(connection: socket.socket, library: list[Any], workflow: int, others: list[int]) -> tuple[int, str] | None:
    """Fork the process of a job, unless it needs another Python, or other code or packages, than this one's.

    Args:
        connection: to the process that asks for it.
        library: as it was when this process began.
        workflow: the file that becomes readable when the workflow ends.
        others: files of this process that the job's closes.

    Returns:
        The number of the job's process, and where to note it; None if this process does not do it.
    """
    connection.settimeout(PATIENCE_SECONDS)
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    try:
        with connection.makefile("rb") as stream:
            python, arguments, place, environment, mask, note = marshal.load(stream)
        connection.settimeout(None)
        if len(files) < 3 or python != sys.executable or _library() != library:
            return None
        with suppress(Exception):  # the job meets the same error, and reports it
            importlib.import_module(f"supertickets.{arguments[0].partition(':')[0]}")
        if len(list(Path("/proc/self/task").iterdir())) > 1:  # a copy has only one, and keeps the locks of the others
            return None
        gc.freeze()  # what is imported stays, and pages that no collection touches are shared
        if process := os.fork():
            return process, note
        try:
            _run(connection, workflow, files, others, arguments, place, environment, mask)
        except BaseException:
            traceback.print_exc()
            sys.stdout.flush()
        finally:
            os._exit(1)  # not sys.exit(): what comes after, and what is registered for an exit, is the server's
    finally:
        for number in files:
            os.close(number)


def _run(
    connection: socket.socket, workflow: int, files: list[int], others: list[int], arguments: list[str], place: str,
    environment: dict[str, str], mask: int,
) -> None:  # fmt: skip
    """Do a job in a process of its own, as if it had been started in the ordinary way, and end the process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(files):
        os.dup2(file, number)
    for number in (*files, *others):
        os.close(number)
    os.chdir(place)
    os.umask(mask)
    os.environ.clear()
    os.environ.update(environment | ONE_THREAD)
    tempfile.tempdir, sys.argv = None, ["supertickets", *arguments]  # which this process may have looked up
    connection.send(STARTED)
    done = end_with_workflow(workflow, connection)
    status = _status_of(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    done.set()
    with suppress(OSError):  # the client was killed
        connection.send(status.to_bytes(STATUS_BYTES, "big"))
    os._exit(status)


def _status_of(arguments: list[str]) -> int:
    """The status with which Python would end, its messages being written."""
    try:
        main(arguments)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return (end.code or 0) & 0xFF
    except KeyboardInterrupt:
        traceback.print_exc()
        sys.stdout.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return 0


def _report(jobs: dict[int, tuple[socket.socket, Path]]) -> None:
    """Note what each job that has ended used, and send its status to the process that waits for it.

    Most have sent it themselves; a second one is not read.
    """
    with suppress(ChildProcessError):  # none is left
        while (ended := os.wait4(-1, os.WNOHANG))[0]:
            process, status, used = ended
            if process not in jobs:  # started by something that was imported
                continue
            connection, note = jobs.pop(process)
            with suppress(OSError):  # a full disk
                note.write_text(f"{process} {used.ru_maxrss / 1024} {used.ru_utime + used.ru_stime}")
            with suppress(OSError), connection:
                connection.send(os.waitstatus_to_exitcode(status).to_bytes(STATUS_BYTES, "big", signed=True))


if __name__ == "__main__":
    place, server = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    os.chdir("/")
    serve(place, server)
    server.close()
    if place.exists():  # Snakemake was killed: it removes the folder itself
        time.sleep(KEPT_SECONDS)
        shutil.rmtree(place, ignore_errors=True)

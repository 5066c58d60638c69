"""Have a job done by the workflow's server, which has imported what it needs. The first job starts the server.

This runs in the process that a rule's shell starts, and is all that a small job costs besides itself. So it imports
nothing that takes long.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

#: Holds the folder of the workflow's Snakemake: the server's socket, and the pipe that ends with Snakemake.
FOLDER = "SUPERTICKETS_WORKFLOW"
#: If this variable is set, every job starts its own Python.
COLD = "SUPERTICKETS_COLD"

#: Numerical libraries start threads when they are imported, and a process with threads must not be forked. A training
#: sets torch's number of threads itself.
ONE_THREAD = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
#: Environment of the server: Arrow's allocator starts no thread either, and torch looks for GPUs without touching CUDA.
SERVER = {**ONE_THREAD, "JE_ARROW_MALLOC_CONF": "background_thread:false", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}

#: Signals that end a job. The server's process group is its own, so they come to the job from here alone.
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Time between two checks that the parent shell is alive, in seconds.
SECONDS = 0.2
#: What a job's process sends first; then its status.
STARTED = b"+"
STATUS_BYTES = 2


def run_warm(arguments: Sequence[str]) -> int | None:
    """Have the server call a function, in this process's folder and environment and with its open files.

    Args:
        arguments: of the command line: the function's name and its options.

    Returns:
        The status with which the job's process has ended, less than 0 for a signal; None where nothing was done,
        because there is no workflow, or its server cannot be had or has other code or another Python.
    """
    folder, shell = os.environ.get(FOLDER), os.getppid()
    if not folder or os.environ.get(COLD):
        return None
    try:
        connection = _connection(folder)
        _send(connection, arguments)
        started = _received(connection, len(STARTED), shell)
    except OSError:
        return None
    return _status(connection, shell) if started == STARTED else None


def _connection(folder: str) -> socket.socket:
    """A connection to the server, which is started if it was not before."""
    address = f"{folder}/server"
    if not os.path.exists(address):  # noqa: PTH110 (to import pathlib takes as long as all else here)
        _start_server(folder, address)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    if connection.fileno() < 3:  # standard input, output or error is closed
        raise OSError
    return connection


def _start_server(folder: str, address: str) -> None:
    """Start the server, unless another job has. It can be connected to at once, and answers when it is ready."""
    own = f"{address}.{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        if listener.fileno() < 3:
            raise OSError
        listener.bind(own)
        listener.listen(1024)
        try:
            os.link(own, address)  # one of several jobs succeeds
        except FileExistsError:
            return
        finally:
            os.unlink(own)  # noqa: PTH108 (as above)
        listener.set_inheritable(True)
        command = [sys.executable, "-P", "-m", "supertickets.server", folder, str(listener.fileno())]
        null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
        between = os.fork()  # ends at once, so that the server is not below this process, and not measured with its job
        if between == 0:
            try:
                os.posix_spawn(sys.executable, command, {**os.environ, **SERVER}, file_actions=null, setpgroup=0)
            finally:
                os._exit(0)
        os.waitpid(between, 0)


def _send(connection: socket.socket, arguments: Sequence[str]) -> None:
    """Send what the server needs to know, and standard input, output and error."""
    mask = os.umask(0)
    os.umask(mask)
    place = os.getcwd()  # noqa: PTH109 (as above)
    socket.send_fds(connection, [b"+"], [0, 1, 2])  # files go with a byte
    note = f"job-{os.getpid()}-{os.getppid()}-"  # where Snakemake's benchmark finds the job
    connection.sendall(marshal.dumps([sys.executable, list(arguments), place, dict(os.environ), mask, note]))


def _status(connection: socket.socket, shell: int) -> int:
    """Wait for the end of a job that has started, and pass on signals to it."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        with suppress(OSError):  # the job has just ended
            connection.send(bytes([number]))

    for number in PASSED_ON:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    status = _received(connection, STATUS_BYTES, shell)
    if len(status) < STATUS_BYTES:
        sys.exit("The process of this job and its server have ended without a status.")
    # Wait until the server closes the connection, so memory and GPU are free; or sends a second status.
    _received(connection, STATUS_BYTES, shell)
    return int.from_bytes(status, "big", signed=True)


def _received(connection: socket.socket, count: int, shell: int) -> bytes:
    """Receive ``count`` bytes, fewer at end of file; exit if the parent shell is gone."""
    content = b""
    while len(content) < count:
        if select.select([connection], [], [], SECONDS)[0]:
            try:
                part = connection.recv(count - len(content))
            except OSError:
                break
            if not part:
                break
            content += part
        elif os.getppid() != shell:
            sys.exit("The shell of this job was killed, and the job ends.")
    return content

"""Processes that fork from a server which has imported what they need: what takes longest in tiny ones."""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NoReturn


def call(
    modules: Sequence[str], function: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str],
    text: str = "",
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Call a function that reads command line, environment and standard input, as if in a Python of its own.

    Args:
        modules: what the server has imported, the function's among them.
        function: ``module:name``.
        arguments: of the command line, the program's name left out.
        folder: in which it is called.
        environment: all of it.
        text: for standard input.
    """
    with tempfile.TemporaryDirectory() as own, socket.socket(socket.AF_UNIX) as connection:
        files = [f"{own}/{name}" for name in ("in", "out", "err")]
        Path(files[0]).write_text(text)
        connection.connect(_address(tuple(modules), environment.get("PYTHONPATH", "")))
        connection.sendall(pickle.dumps((function, list(arguments), str(folder), dict(environment), files)))
        connection.shutdown(socket.SHUT_WR)
        status = int(connection.recv(8))
        return subprocess.CompletedProcess(function, status, *(Path(path).read_text() for path in files[1:]))


@cache
def _address(modules: tuple[str, ...], paths: str) -> str:
    """The socket of a server, which is started; it ends with this process, which closes its standard input."""
    address = tempfile.mkdtemp(prefix="forked-") + "/socket"
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment |= {"JE_ARROW_MALLOC_CONF": "background_thread:false"}  # a process with threads must not fork
    server = subprocess.Popen(
        [sys.executable, "-P", __file__, address, *modules], stdin=subprocess.PIPE, env=environment
    )
    _servers.append(server)
    while not Path(address).exists():
        assert server.poll() is None, f"the server of {modules} has ended"
        select.select([], [], [], 0.02)
    return address


_servers: list[subprocess.Popen[bytes]] = []


def _serve(address: str, modules: Sequence[str]) -> None:
    """Import the modules, and have a fork answer each connection."""
    for module in modules:
        import_module(module)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}.new")
        listener.listen()
        Path(f"{address}.new").rename(address)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _answer(connection)
            connection.close()


def _answer(connection: socket.socket) -> NoReturn:
    """Wait for the process of one call, and send its status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("rb") as stream:
        request = pickle.load(stream)
    if (number := os.fork()) == 0:
        connection.close()
        _run(*request)
    _, status = os.waitpid(number, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _run(function: str, arguments: list[str], folder: str, environment: dict[str, str], files: list[str]) -> NoReturn:
    """Be the process of a call."""
    for number, (path, flags) in enumerate(zip(files, (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT] * 2), strict=True)):
        os.dup2(os.open(path, flags), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    module, _, name = function.partition(":")
    sys.argv = [module, *arguments]
    getattr(import_module(module), name)()
    sys.exit()


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2:])

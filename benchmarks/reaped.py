"""Run a command and wait for all that it leaves behind, such as a server: ``FOLDER ENVIRONMENT COMMAND ...``."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import time

#: Linux: orphans below a process become its children, so that their CPU time is counted.
PR_SET_CHILD_SUBREAPER = 36
LIBC = ctypes.CDLL(None)


def adopt_orphans() -> None:
    """Make this process the parent of whatever loses its own below it, such as the server of warm jobs."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main() -> None:
    """Print seconds as JSON."""
    adopt_orphans()
    folder, environment, *command = sys.argv[1:]
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=os.environ | json.loads(environment), check=True, stdout=sys.stderr)
    wall = time.perf_counter() - began
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime}))


if __name__ == "__main__":
    main()

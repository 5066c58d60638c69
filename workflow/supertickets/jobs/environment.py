"""The environment that every job starts in."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from supertickets.jobs.orphans import ALIVE, alive, has_ended
from supertickets.jobs.warm import COLD, FOLDER

#: glibc returns large freed blocks to the system at once, and a training asks for the same ones at every step. Keeping
#: them saves the page faults and changes no result.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": 2**25, "MALLOC_TRIM_THRESHOLD_": 2**31, "MALLOC_TOP_PAD_": 2**26}

#: Longest path, in bytes, of a temporary folder that a socket fits in: its address has at most 104 bytes.
LONGEST_FOLDER = 60
#: Prefix of the folders' names, and the age after which one is complete: its call has opened the pipe.
PREFIX = "supertickets-"
SETTLED_SECONDS = 60


def set_environment(workflow: Path) -> Path:
    """Let jobs find the library, whatever folder they run in, and the Python that runs snakemake.

    A folder of this process is where they find its server, and notice its end.

    Args:
        workflow: the folder that holds the library.

    Returns:
        That folder.
    """
    long = len(os.fsencode(tempfile.gettempdir())) > LONGEST_FOLDER
    place = "/tmp" if long and os.access("/tmp", os.W_OK) else tempfile.gettempdir()
    _remove_left(Path(place))
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=place)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with suppress(OSError):  # a file system without pipes: jobs start cold, and do not notice this process's end
        os.mkfifo(f"{folder}/{ALIVE}")
        os.open(f"{folder}/{ALIVE}", os.O_RDWR)  # until this process ends, and in no other
    os.environ[FOLDER] = folder
    if not Path("/proc/self/task").is_dir():  # a server could not see that it has one thread, which alone may be forked
        os.environ[COLD] = "1"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(workflow), os.environ.get("PYTHONPATH")]))
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for name, value in MALLOC.items():
        os.environ.setdefault(name, str(value))
    return Path(folder)


def _remove_left(place: Path) -> None:
    """Remove folders of calls on this machine that were killed before they had a server, or together with it."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # another call has just removed it
            found = folder.lstat()
            settled = found.st_uid == os.getuid() and time.time() - found.st_mtime > SETTLED_SECONDS
            if settled and (pipe := alive(folder)) is not None:
                if has_ended(pipe):
                    shutil.rmtree(folder, ignore_errors=True)
                os.close(pipe)

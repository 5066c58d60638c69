"""Which CUDA device a process computes on where there are several: the one that fewest others do."""

from __future__ import annotations

import os
import tempfile
from itertools import product
from pathlib import Path

from supertickets.files import lock

#: Processes on one device that are told apart; beyond them devices are taken in turns of process numbers.
MOST = 64

#: Locks of this process, held until it ends, however it ends.
_held: list[int] = []


def free_device(names: list[str], folder: Path | None = None) -> int:
    """The index of the device that fewest processes of this user hold; it is held until this process ends.

    Snakemake counts GPUs but assigns none. Here every process locks one file of a device; a lock ends with its
    process, whatever happens to that.

    Args:
        names: what each device is called by all processes of this machine.
        folder: where the files lie; one of this user's in the folder for temporary files where None.
    """
    folder = folder or Path(tempfile.gettempdir()) / f"supertickets-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for place, (index, name) in product(range(MOST), enumerate(names)):
        handle = os.open(folder / f"{name.replace('/', '-')}.{place}", os.O_RDWR | os.O_CREAT, 0o600)
        if lock(handle):
            _held.append(handle)
            return index
        os.close(handle)
    return os.getpid() % len(names)


def visible_devices(count: int) -> list[str]:
    """What the devices that this process may see are called by all: their numbers or ids in CUDA_VISIBLE_DEVICES.

    Args:
        count: how many there are.
    """
    names = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return names[:count] if len(names) >= count else [str(index) for index in range(count)]

"""Choose the least used CUDA device."""

from __future__ import annotations

import logging
import os
import tempfile
from itertools import product
from pathlib import Path

from supertickets.files import lock

log = logging.getLogger(__name__)

#: Most processes counted per device; beyond that, devices are assigned by process id.
MOST = 64

#: Locks of this process, held until it ends, however it ends.
_held: list[int] = []


def free_device(names: list[str], folder: Path | None = None) -> int:
    """The index of the device that fewest processes of this user hold; it is held until this process ends.

    Snakemake counts GPUs but assigns none. Here every process locks one file of a device; a lock ends with its
    process, whatever happens to that. Where nothing can be locked, devices are taken in turns of process numbers.

    Args:
        names: what each device is called by all processes of this machine.
        folder: where the files are; one of this user's in the folder for temporary files where None.
    """
    place = folder or Path(tempfile.gettempdir()) / f"supertickets-{os.getuid()}"
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        for number, (index, name) in product(range(MOST), enumerate(names)):
            handle = os.open(place / f"{name.replace('/', '-')}.{number}", os.O_RDWR | os.O_CREAT, 0o600)
            if lock(handle):
                _held.append(handle)
                return index
            os.close(handle)
    except OSError as error:
        log.warning("the least busy device is not known (%s): taking one by process number", error)
    return os.getpid() % len(names)


def visible_devices(count: int) -> list[str]:
    """Names of the visible devices, the same in all processes: their numbers or ids in CUDA_VISIBLE_DEVICES.

    Args:
        count: how many there are.
    """
    names = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return names[:count] if len(names) >= count else [str(index) for index in range(count)]

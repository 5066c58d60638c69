"""Small files written whole or not at all, and their fingerprints."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from supertickets.errors import DamagedError, UserError

#: Bytes that a file may have, or a compressed one stand for: more is taken for a mistake or a decompression bomb.
LARGEST = 2 * 2**30

#: Seconds after which a temporary file without a lock is nobody's.
ABANDONED = 1


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place when the block ends well, and is removed otherwise.

    What a process that was killed has left there is removed too: a lock says which are still being written.

    Raises:
        UserError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    part = Path(name)
    try:
        lock(handle)
        yield part
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)  # mkstemp makes files that only their owner reads
        os.fsync(handle)  # or a power cut could leave the name without the content
        part.replace(path)
    except Exception as error:  # safetensors has an error of its own
        if os.strerror(errno.ENOSPC) in str(error):
            raise UserError(f"{path}: {os.strerror(errno.ENOSPC)}; nothing is written there") from error
        raise
    finally:
        part.unlink(missing_ok=True)
        os.close(handle)


def remove_abandoned(path: Path) -> None:
    """Remove temporary files of ``path`` that nobody is writing any more."""
    for part in path.parent.glob(f".{path.name}.*{path.suffix}"):
        try:
            if time.time() - part.stat().st_mtime < ABANDONED:  # it may have no lock yet
                continue
            handle = os.open(part, os.O_RDONLY)
        except OSError:  # another process has removed or replaced it
            continue
        if lock(handle):
            part.unlink(missing_ok=True)
        os.close(handle)


def lock(handle: int) -> bool:
    """Lock an open file until it is closed; False where somebody else has, or where the file system has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON, floats in full precision, not-a-number refused."""
    with replacing(path) as part:
        part.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is not JSON, and names file and line; or it is too large, or a pipe or device.
    """
    require_readable(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_of_different_keys)
    except json.JSONDecodeError as error:
        raise DamagedError(f"{path}, line {error.lineno}", f"not valid JSON ({error.msg})")
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of thousands of digits, or too deep
        raise DamagedError(path, f"not valid JSON ({error})") from error


def _of_different_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, none of whose keys is there twice."""
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"the key {key!r:.80} is there twice")
        content[key] = value
    return content


def canonical_json(content: Any) -> str:
    """JSON with sorted keys and no spare blanks: equal content gives equal text."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def unreadable(path: Path, most: int = LARGEST) -> str:
    """Why a file is not read: it is a pipe or a device, which may have no end, or has over ``most`` bytes; or nothing.

    A file's size may be far more than what it takes on the disk.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    return f"has {status.st_size:,} bytes; at most {most:,} are read" if status.st_size > most else ""


def require_readable(path: Path, most: int = LARGEST) -> None:
    """Refuse a file that is :func:`unreadable`, before memory is taken for it.

    Raises:
        UserError: names the file, and its size and the limit.
    """
    if why := unreadable(path, most):
        raise UserError(f"{path}: it {why}")


def read_whole(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        UserError: it is larger than anything that is read, or a pipe or device.
    """
    require_readable(path)
    return path.read_bytes()


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def require_sha256(content: bytes | Path, expected: str, origin: str) -> None:
    """Refuse content, or that of a file, whose SHA-256 is not ``expected``; ``origin`` says where it came from.

    Raises:
        UserError: names the origin, both hashes, and what is wrong.
    """
    found = sha256(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
    if found != expected:
        raise UserError(
            f"{origin}: its sha256 is {found}, expected {expected}; it is damaged or is not the pinned version"
        )


def require_whole(path: Path) -> None:
    """Refuse a file of lines that has lost its end: a number that lacks digits is still one.

    Raises:
        UserError: its last line does not end.
    """
    if not path.read_bytes().endswith(b"\n"):
        raise DamagedError(path, "not a table (its last line has no end)")

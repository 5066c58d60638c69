"""Write files atomically, read them within size limits, and check their hashes."""

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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from supertickets.errors import DamagedError, UserError

#: The most bytes of a file, also after decompression. A larger one is a mistake or a decompression bomb.
LARGEST = 2 * 2**30

#: Seconds after which a temporary file without a lock is abandoned.
ABANDONED = 1


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that replaces it when the block succeeds, and is deleted when it fails.

    Temporary files of killed processes are deleted too; a lock marks those that are still being written.

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
        part.chmod(0o666 & ~umask)  # mkstemp makes files that only their owner can read
        os.fsync(handle)  # or a power cut could leave an empty file
        part.replace(path)
        sync_folder(path.parent)
    except Exception as error:  # safetensors raises its own class of errors
        if os.strerror(errno.ENOSPC) in str(error):
            raise UserError(f"{path}: {os.strerror(errno.ENOSPC)}; nothing is written there") from error
        raise
    finally:
        part.unlink(missing_ok=True)
        os.close(handle)


def remove_abandoned(path: Path) -> None:
    """Delete temporary files of ``path`` that no process is writing any more."""
    for part in path.parent.glob(f".{path.name}.*{path.suffix}"):
        try:
            if time.time() - part.stat().st_mtime < ABANDONED:  # it may not be locked yet
                continue
            handle = os.open(part, os.O_RDWR)  # NFS locks a file only for those who may write it
        except OSError:  # another process has removed or replaced it
            continue
        if lock(handle):
            part.unlink(missing_ok=True)
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, so that they survive a power cut, where the file system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def lock(handle: int) -> bool:
    """Lock an open file until it is closed; False if another process holds the lock or the file system has none."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON, with floats in full precision; NaN is refused."""
    with replacing(path) as part:
        part.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is not JSON (names file and line), too large, a pipe or a device.
    """
    require_readable(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as error:
        raise DamagedError(f"{path}, line {error.lineno}", f"not valid JSON ({error.msg})")
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of thousands of digits, or nested too deeply
        raise DamagedError(path, f"not valid JSON ({error})") from error


def read_object(path: Path, *keys: str) -> dict[str, Any]:
    """Read a JSON object that an earlier stage has written, with these keys and perhaps others.

    Raises:
        UserError: the file is damaged, or lacks a key.
    """
    return require_keys(path, read_json(path), *keys)


def require_keys(path: Path, content: Any, *keys: str) -> dict[str, Any]:
    """What :func:`read_object` asks of the content of a file, or of a part of it, which is returned.

    Raises:
        UserError: it is no object, or lacks a key; names the file.
    """
    if not isinstance(content, dict):
        raise DamagedError(path, f"not an object of JSON: {content!r:.80}")
    if missing := [key for key in keys if key not in content]:
        raise DamagedError(path, f"not as it was written: no {missing[0]!r}")
    return content


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dict; a duplicate key is refused."""
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"duplicate key {key!r:.80}")
        content[key] = value
    return content


def canonical_json(content: Any) -> str:
    """JSON with sorted keys and no optional blanks: equal content gives equal text."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def unreadable(path: Path, most: int = LARGEST) -> str:
    """The reason not to read a file, empty if there is none.

    A pipe or a device may have no end. A file of more than ``most`` bytes may take far less space on the disk.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    return f"has {status.st_size:,} bytes; at most {most:,} are read" if status.st_size > most else ""


def require_readable(path: Path, most: int = LARGEST) -> None:
    """Refuse an :func:`unreadable` file before memory is allocated for it.

    Raises:
        UserError: names the file and the reason.
    """
    if reason := unreadable(path, most):
        raise UserError(f"{path}: it {reason}")


def read_whole(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        UserError: the file is larger than :data:`LARGEST`, a pipe or a device.
    """
    require_readable(path)
    return path.read_bytes()


def sha256(path: Path) -> str:
    """The hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def blob_id(path: Path) -> str:
    """The hexadecimal SHA-1 by which Git names a file's bytes."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: digest).hexdigest()


def require_sha256(content: bytes | Path, expected: str, origin: str) -> None:
    """Refuse bytes, or a file, whose SHA-256 is not ``expected``; ``origin`` is named in the message.

    Raises:
        UserError: names the origin and both hashes.
    """
    actual = sha256(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise UserError(
            f"{origin}: its sha256 is {actual}, expected {expected}; it is damaged or is not the pinned version"
        )

"""Read files out of zip and tar archives without unpacking them on disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from supertickets.errors import UserError
from supertickets.files import LARGEST, read_whole

#: First bytes of each kind of compressed tar, and the function that opens it.
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}

#: Exceptions that reading a damaged archive raises.
DAMAGED: tuple[type[Exception], ...] = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
DAMAGED += (struct.error, EOFError, OSError, ValueError, RuntimeError, OverflowError)
#: Exceptions that reading a member raises: the archive is damaged, or has no such member.
NOT_TAKEN: tuple[type[Exception], ...] = (*DAMAGED, LookupError)


def read_member(archive: Path, members: Sequence[str]) -> bytes:
    """The bytes of a file inside an archive, or inside archives within it.

    Args:
        archive: a zip (also a wheel) or tar file.
        members: path of the file in the archive. Each further entry is a path inside the archive before it.

    Raises:
        UserError: the member does not exist, or it or the archive is larger than two gigabytes. The message names
            archive and member.
    """
    content = read_whole(archive)
    for member in members:
        content = _member_of(content, member, archive)
    return content


def _member_of(content: bytes, member: str, archive: Path) -> bytes:
    """The bytes of one member of an archive that is in memory; ``archive`` is named in messages."""
    stream = io.BytesIO(content)
    try:
        if zipfile.is_zipfile(stream):
            zipped = zipfile.ZipFile(stream)
            info = zipped.getinfo(member)
            _require_small(info.file_size)
            return zipped.read(info)
        with tarfile.open(fileobj=io.BytesIO(_decompressed(content)), mode="r:") as tar:
            extracted = tar.extractfile(member)
            if extracted is None:
                raise KeyError(member)
            # The member may be a link, so the size is that of its target. Gaps of a sparse file take no archive space.
            _require_small(extracted.seek(0, io.SEEK_END))
            extracted.seek(0)
            return extracted.read()
    except NOT_TAKEN as error:
        raise UserError(f"{archive}: cannot take {member!r} out of it ({error})") from error


def _decompressed(content: bytes) -> bytes:
    """The uncompressed bytes of a tar."""
    for beginning, read in COMPRESSED.items():
        if content.startswith(beginning):
            with read(io.BytesIO(content)) as stream:
                content = stream.read(LARGEST + 1)
            _require_small(len(content))
    return content


def _require_small(size: int) -> None:
    if size > LARGEST:
        raise ValueError(f"it unpacks to more than {LARGEST:,} bytes")

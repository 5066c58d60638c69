"""Finished trainings, kept so that the same training is not done again.

Snakemake deletes the files of a training and has it done again where it has not recorded its end, as after a kill or
when another job of its group fails; and it plans a training whose inputs were made again, even with the same bytes. So
a finished training keeps a second name of each of its files, which costs no space, and what decides its result. The
same training, called again, takes them over.
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

#: Ending of the folders that hold the second names.
SUFFIX = ".finished"
#: What decides the result of a training, in such a folder, and the SHA-256 of each file: written last.
IDENTITY = "identity.json"


def keep(folder: Path, identity: Mapping[str, Any], made: Iterable[Path]) -> None:
    """Keep the files of a finished training, unless that is not possible.

    Args:
        folder: to make, with the ending :data:`SUFFIX`.
        identity: everything that decides the result of the training.
        made: the files that it has written, with different names.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir()
        hashes = {path.name: sha256(path) for path in made}
        for path in made:
            _second_name(path, folder / path.name)
        write_json(folder / IDENTITY, {"identity": identity, "sha256": hashes})
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
        Whether this very training is kept with all of these files undamaged; if not, nothing is written.
    """
    sources = {path: folder / path.name for path in wanted}
    try:
        found = read_json(folder / IDENTITY)
        same = canonical_json(found["identity"]) == canonical_json(identity)
        # A second name shares any damage with the first.
        whole = same and all(sha256(source) == found["sha256"][source.name] for source in sources.values())
    except (OSError, UserError, ValueError, LookupError, TypeError):
        return False
    if not whole:
        return False
    for path, source in sources.items():
        with replacing(path) as part:
            shutil.copyfile(source, part)
    log.info("finished before with the same inputs, settings and code: its files are taken over from %s", folder)
    return True


def forget_weights(weights: Path) -> None:
    """Delete the second name of weights that are being used: the weights are deleted afterwards, to save space."""
    for folder in weights.parent.glob(f"*{SUFFIX}"):
        (folder / weights.name).unlink(missing_ok=True)


def forget_deleted_weights(results: Path) -> None:
    """Delete the second names of full models' weights that Snakemake has deleted, at the end of a workflow."""
    for kept in results.glob(f"runs/*/*/*/*/full/*{SUFFIX}/model.safetensors"):
        if not (kept.parents[1] / kept.name).exists():
            kept.unlink(missing_ok=True)

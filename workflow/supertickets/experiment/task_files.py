"""Files of a task's examples: from a package, the hub, a folder in GLUE's layout, or the user's own.

Imported at every start of the workflow: standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from supertickets.experiment.parts import UNLABELLED

Entry = dict[str, Any]

#: Keys of a definition that say where its examples come from; one of them is used.
SOURCES = ("package", "path", "files", "hub", "glue")
#: Keys that say how a file is read.
READING = ("columns", "fields", "delimiter", "numbered")


def resolved(definition: Mapping[str, Any], glue: str) -> Entry:
    """A task's definition with its source as a list of files.

    Args:
        definition: the task's entry in the catalogue, or under ``define`` in the config.
        glue: where tasks that are in GLUE's layout come from: ``hub``, or a folder in that layout. Unlabelled files
            that the folder does not hold are left out.

    Returns:
        The definition with ``files`` in place of its source: of each ``path``, the ``part`` that it is unless the
        file is split into train, validation and test, and how to read it (``columns``, ``fields``, ``delimiter``,
        ``member``, ``numbered``, ``malformed``, ``labels`` where they are spelt in another way).
    """
    # Or of no use for making examples.
    elsewhere = (*SOURCES, "member", *READING, "metrics", "positive", "published", "licence")
    rest = {key: value for key, value in definition.items() if key not in elsewhere}
    if "glue" in definition:
        rest.pop("sizes", None)  # two sources may differ by a few broken rows
    malformed = {"malformed": definition["malformed"]} if "malformed" in definition else {}
    return {**rest, "files": [{**malformed, **file} for file in _files(definition, glue)]}


def is_there(path: Path, kind: Callable[[Path], bool] = Path.is_file) -> bool:
    """Whether a path is a file, or of another kind; a name that is too long for any is not."""
    try:
        return kind(path)
    except OSError:
        return False


def _files(definition: Mapping[str, Any], glue: str) -> Iterator[Entry]:
    common = _reading(definition)
    if "package" in definition:
        yield {**common, "path": f"results/packages/{definition['package']}", "member": definition["member"]}
    elif "path" in definition:
        yield {**common, "path": definition["path"]}
    elif "files" in definition:
        yield from ({**common, "part": part, "path": path} for part, path in definition["files"].items())
    elif "glue" in definition and glue != "hub":
        own = definition["glue"]
        for part, file in own["parts"].items():
            # CoLA's labelled files have no header, its unlabelled one has.
            name, reading = (file["file"], _reading(file)) if isinstance(file, Mapping) else (file, _reading(own))
            path = os.path.normpath(f"{glue}/{own['folder']}/{name}")
            if part not in UNLABELLED or is_there(Path(path)):  # submissions alone need it
                yield {**reading, "part": part, "path": path}
    else:
        hub = definition["hub"]
        for part, place in hub["parts"].items():
            folder, split = hub_folder(hub, place)
            labels = {"labels": hub["labels"]} if "labels" in hub else {}
            yield {**common, **_reading(hub), **labels, "part": part, "path": f"{folder}/{split}.parquet"}


def _reading(entry: Mapping[str, Any]) -> Entry:
    return {key: entry[key] for key in READING if key in entry}


def hub_folder(hub: Mapping[str, Any], place: str) -> tuple[str, str]:
    """Folder that a part of a hub's dataset is downloaded to, and its split there.

    Args:
        hub: ``dataset``, ``revision``, and ``name`` of its configuration where it has several.
        place: the split; of another configuration in the form ``configuration/split``.
    """
    name, _, split = place.rpartition("/")
    name = name or hub.get("name", "")
    parts = [hub["dataset"].replace("/", "--"), name, hub["revision"][:12]]
    return "results/hub/datasets/" + ".".join(filter(None, parts)), split


def hub_downloads(definitions: Mapping[str, Any]) -> dict[str, Entry]:
    """What to download for tasks that come from the hub: by folder the dataset, revision, configuration and splits."""
    found: dict[str, Entry] = {}
    for definition in definitions.values():
        hub = definition.get("hub", {"parts": {}})
        for place in hub["parts"].values():
            folder, split = hub_folder(hub, place)
            name = place.rpartition("/")[0] or hub.get("name")
            download = {"dataset": hub["dataset"], "revision": hub["revision"], "name": name}
            splits = found.setdefault(folder, {**download, "splits": []})["splits"]
            if split not in splits:
                splits.append(split)
    return found


def is_local(definition: Mapping[str, Any], glue: str) -> bool:
    """Whether a task's files exist before anything runs: the user's own, or a folder in GLUE's layout."""
    return "path" in definition or "files" in definition or ("glue" in definition and glue != "hub")


def parts_of(definition: Mapping[str, Any], glue: str) -> list[str]:
    """The parts that a task's files are; train, validation and test where one file is split."""
    files = resolved(definition, glue)["files"]
    return [file["part"] for file in files] if "part" in files[0] else ["train", "validation", "test"]


def inputs(definition: Mapping[str, Any], glue: str) -> list[str]:
    """Inputs of a task: files, or folders of downloads."""
    files = [file["path"] for file in resolved(definition, glue)["files"]]
    if is_local(definition, glue) or "package" in definition:
        return files
    return list(dict.fromkeys(str(Path(path).parent) for path in files))

"""What docs/extend.md has somebody write and edit."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

from conftest import LIBRARY, PROJECT

EXTEND = (PROJECT / "docs" / "extend.md").read_text()
#: Files to write, below the library, with their content.
WRITTEN = dict(re.findall(r"Write `([^`]+)`:\n\n```python\n(.*?)```", EXTEND, re.DOTALL))
#: Files to edit, with the lines that are added and taken out.
EDITS: list[tuple[str, str]] = re.findall(r"In `([^`]+)`:\n\n```diff\n(.*?)```", EXTEND, re.DOTALL)
#: Keys for the schema, by where they are put.
KEYS: dict[str, str] = dict(re.findall(r"In the schema, below `([^`]+)`:\n\n```yaml\n(.*?)```", EXTEND, re.DOTALL))
#: The line of the schema that they are put below.
PLACES = {
    "properties": "\nproperties:\n",
    "$defs.training.properties": "\n  training:\n    type: object\n    additionalProperties: false\n    properties:\n",
}


def module_from(path: Path) -> ModuleType:
    """A module of a file that is not in a package."""
    spec = importlib.util.spec_from_file_location(f"a_file_of_{path.stem}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # where dataclasses look for their module
    spec.loader.exec_module(module)
    return module


def edited(name: str, folder: Path = LIBRARY) -> str:
    """A file as recipes have it edited.

    Args:
        name: its path below the library, or in the project where it is a test's.
        folder: the library.
    """
    text = (PROJECT if name.startswith("tests/") else folder).joinpath(name).read_text()
    for path, edit in EDITS:
        for part in edit.strip("\n").split("\n\n") if path == name else ():
            lines = [(line[0], f"{line[1:]}\n") for line in part.splitlines()]
            old, new = ("".join(line for sign, line in lines if sign in signs) for signs in (" -", " +"))
            assert text.count(old) == 1, f"{name} has {text.count(old)} of\n{old}"
            text = text.replace(old, new)
    return text


def edited_module(name: str, folder: Path) -> ModuleType:
    """An edited file as a module, written to a folder."""
    path = folder / Path(name).name
    path.write_text(edited(name))
    return module_from(path)


def with_keys(schema: str) -> str:
    """The schema's text with the keys that recipes add to it."""
    for place, keys in KEYS.items():
        assert schema.count(PLACES[place]) == 1
        schema = schema.replace(PLACES[place], PLACES[place] + keys)
    return schema

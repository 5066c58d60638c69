"""Versions of what computes a run: recorded with each, and compared with those that are installed now."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from supertickets.errors import UserError
from supertickets.files import read_json

#: Libraries that determine the result of a training, its encoded examples included.
COMPUTING = ("torch", "transformers", "tokenizers", "numpy", "pyarrow")


def versions() -> dict[str, str]:
    """Versions of Python and of the :data:`COMPUTING` libraries, by name."""
    return {"python": platform.python_version()} | {name: version(name) for name in COMPUTING}


def other_versions(records: Iterable[Path]) -> tuple[int, str]:
    """Count runs made with other versions than those installed, and name the differences.

    Args:
        records: of the runs. One that cannot be read does not count: the step that needs it says what is wrong with it.

    Returns:
        Number of such runs, and a text like ``torch 2.12.0 (now 2.13.0), numpy 2.3.5 (now 2.4.6)``.
    """
    installed = versions()
    count, differences = 0, set()
    for path in records:
        try:
            recorded = read_json(path)["versions"].items()
        except (OSError, UserError, LookupError, TypeError, AttributeError):
            continue
        other = {(name, str(was)) for name, was in recorded if name in installed and was != installed[name]}
        count += bool(other)
        differences |= other
    return count, ", ".join(f"{name} {was} (now {installed[name]})" for name, was in sorted(differences))

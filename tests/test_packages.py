"""Which package may import which: those that stand before it, and the ground that all stand on."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import PROJECT

from supertickets.jobs.fingerprint import LIBRARY

#: Packages in the order in which they build on each other; those of one row do not know each other.
ORDER = (
    ("errors", "seeds"),
    ("files",),
    ("jobs", "experiment"),
    ("data", "engine", "evaluation"),
    ("encoder",),
    ("training",),
    ("tickets",),
    ("multi_task", "submission", "exports", "report"),
    ("call", "api"),
    ("__main__", "server", "command"),
)
ROW = {package: row for row, packages in enumerate(ORDER) for package in packages}
#: What is read at every start of the workflow may import these and the standard library.
LIGHT = {"yaml", "jsonschema", "supertickets"}
MODULES = [path for path in sorted(LIBRARY.rglob("*.py")) if path.name != "__init__.py"]


def imported(path: Path) -> set[str]:
    """Modules that a file imports anywhere in it, by their full names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def package_of(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def reached(path: Path) -> set[Path]:
    """A file and all modules of the library that it imports, directly or not."""
    found, waiting = {path}, [path]
    while waiting:
        inside = (name.split(".")[1:] for name in imported(waiting.pop()) if name.startswith("supertickets."))
        new = {LIBRARY.joinpath(*parts).with_suffix(".py") for parts in inside} - found
        new = {file for file in new if file.is_file()}
        waiting += new
        found |= new
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_a_package_imports_those_that_it_builds_on(path: Path) -> None:
    own = package_of(path)
    for name in imported(path):
        top, _, inside = name.partition(".")
        other = inside.split(".")[0]
        if top == "supertickets" and other != own:
            assert ROW[other] < ROW[own], f"{own} imports {name}"
        if own == "experiment":
            assert top in LIGHT or top in sys.stdlib_module_names, f"{own} imports {name}"


@pytest.mark.parametrize("package", ["evaluation", "report", "data"])
def test_what_reads_results_reaches_no_torch(package: str) -> None:
    for path in (LIBRARY / package).rglob("*.py"):
        for file in reached(path):
            assert not {name.split(".")[0] for name in imported(file)} & {"torch", "transformers"}, (path, file)


def test_rules_import_what_is_light_alone() -> None:
    """They are parsed at every start of the workflow, and in every job."""
    files = [PROJECT / "Snakefile", *(PROJECT / "workflow" / "rules").glob("*.smk")]
    rules = "".join(path.read_text() for path in files)
    packages = {*re.findall(r"^\s*from supertickets\.(\w+)", rules, re.MULTILINE)}
    assert packages == {"errors", "experiment", "files", "jobs"}


def test_who_installs_the_library_alone_has_what_its_public_api_needs() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    needed = {re.match(r"\w+", line)[0] for line in project["dependencies"]}
    tops = {name.split(".")[0] for file in reached(LIBRARY / "api.py") for name in imported(file)}
    named = {path for folder in ("methods", "kinds") for path in (LIBRARY / "tickets" / folder).glob("*.py")}
    tops |= {name.split(".")[0] for path in named for file in reached(path) for name in imported(file)}
    assert tops - sys.stdlib_module_names - {"supertickets"} == needed


def test_only_the_library_has_a_package_file_that_is_not_empty() -> None:
    assert [path for path in LIBRARY.rglob("__init__.py") if path.read_text()] == [LIBRARY / "__init__.py"]

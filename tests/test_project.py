"""The project's own files agree with each other."""

from __future__ import annotations

import re
import tomllib

import yaml
from conftest import PROJECT


def locked() -> dict[str, set[str]]:
    """Pinned versions by package."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([\w.-]+)==([^\s;]+)", (PROJECT / "requirements.lock").read_text(), re.MULTILINE
    ):
        versions.setdefault(name, set()).add(version)
    return versions


def direct() -> set[str]:
    """Names of the direct dependencies."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return {re.match(r"[\w.-]+", line)[0] for line in project["dependencies"]}


def test_direct_dependencies_are_locked_and_the_environment_has_the_same_pins() -> None:
    environment = yaml.safe_load((PROJECT / "envs" / "supertickets.yaml").read_text())
    pins = dict(line.split("==") for line in environment["dependencies"][-1]["pip"])
    assert pins.keys() == direct()
    for name, version in pins.items():
        assert version in locked()[name], name


def test_rules_and_scripts_have_the_same_names() -> None:
    rules = set()
    for path in (PROJECT / "workflow" / "rules").glob("*.smk"):
        rules |= set(re.findall(r"^rule (\w+):", path.read_text(), re.MULTILINE))
    common = (PROJECT / "workflow" / "rules" / "common.smk").read_text()
    shown = re.findall(r'^    "(\w+)": "(?:main|kinds|sizes|all|joint)",$', common, re.MULTILINE)
    assert len(shown) == 17
    # One rule draws all figures and one makes all tables, each by a script of its own.
    scripts = {path.stem for path in (PROJECT / "workflow" / "scripts").glob("[!_]*.py")}
    assert (rules - {"figure", "table"}) | set(shown) == scripts


def test_documents_name_files_that_exist() -> None:
    for name in ("README.md", "ARCHITECTURE.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (PROJECT / name).read_text()):
            assert (PROJECT / target).exists(), f"{name} links to {target}"


def test_the_changelog_names_the_version() -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## {version}" in (PROJECT / "CHANGELOG.md").read_text()

"""The project's own files agree with each other."""

from __future__ import annotations

import re
import tomllib

import yaml
from conftest import PROJECT


def direct() -> set[str]:
    """Names of the direct dependencies."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return {re.match(r"[\w.-]+", line)[0] for line in project["dependencies"]}


def test_direct_dependencies_are_locked_and_the_environment_has_the_same_pins() -> None:
    lines = [line for line in (PROJECT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    environment = yaml.safe_load((PROJECT / "envs" / "supertickets.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == lines
    assert direct() <= {line.partition("==")[0] for line in lines}


def test_the_changelog_names_the_version() -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## {version}" in (PROJECT / "CHANGELOG.md").read_text()

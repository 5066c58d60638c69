"""The project's own files agree with each other."""

from __future__ import annotations

import re
import tomllib

import yaml
from conftest import LIBRARY, PROJECT

from supertickets.experiment.shown import FIGURES, TABLES


def direct() -> set[str]:
    """Names of the direct dependencies, the library's and the workflow's."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["workflow"]]
    return {re.match(r"[\w.-]+", line)[0] for line in lines}


def test_direct_dependencies_are_locked_and_the_environment_has_the_same_pins() -> None:
    lines = [line for line in (PROJECT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    environment = yaml.safe_load((PROJECT / "envs" / "supertickets.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == lines
    assert direct() <= {line.partition("==")[0] for line in lines}


def test_a_rule_is_named_as_the_function_that_it_calls() -> None:
    called = {}
    for path in (PROJECT / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            if function := re.search(r"""\*\*work\(\s*"[\w.]+:(\w+)\"""", rule):
                called[rule.partition(":")[0]] = function[1]
    # One rule trains, which others are like, and one draws every figure, one writes every table.
    assert {rule: function for rule, function in called.items() if rule != function} == {"finetune": "train_run"}
    figures, tables = (
        {path.stem for path in (LIBRARY / "report" / folder).glob("[!_]*.py")} for folder in ("figures", "tables")
    )
    assert figures >= {*FIGURES} and tables >= {*TABLES}


def test_the_changelog_names_the_version() -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert f"## {version}" in (PROJECT / "CHANGELOG.md").read_text()

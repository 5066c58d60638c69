"""The entry point of the library, and the functions that rules name."""

from __future__ import annotations

import inspect
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT

from supertickets.call import load, parser_of, run
from supertickets.errors import UserError
from supertickets.experiment.shown import FIGURES, PAGES, TABLES

RULES = sorted((PROJECT / "workflow" / "rules").glob("*.smk"))
#: Functions that rules name, by how they name them.
NAMED = {name for path in RULES for name in re.findall(r"""work\(\s*["']([\w.]+:\w+)["']""", path.read_text())}
NAMED |= {f"report.figures.{name}:draw_{name}" for name in FIGURES}
NAMED |= {f"report.tables.{name}:write_{name}" for name in TABLES}
NAMED |= {f"report.pages.{name}:write_{name}" for name in PAGES}


def stage(source: Path, settings: dict[str, int], out: Path, extra: Path | None = None) -> None:
    """Write the settings."""
    if settings.get("fail") == 1:
        raise UserError("settings.fail is 1: expected 0")
    if settings.get("fail") == 2:
        raise OSError(28, "No space left on device", str(out))
    if settings.get("fail") == 3:
        raise ZeroDivisionError("a defect")
    out.write_text(f"{source} {settings} {extra}")


def test_a_function_is_called_with_typed_arguments(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(stage, ["--source", "x", "--settings", '{"a": 1}', "--out", str(out)])
    assert out.read_text() == "x {'a': 1} None"
    assert isinstance(parser_of(stage).parse_args(["--source", "x", "--settings", "{}", "--out", "o"]).out, Path)


def test_positional_parameters_have_no_name_and_booleans_two() -> None:
    called = []

    def asked(model: str = "", /, *, export: bool = True, seeds: int = 6) -> None:
        called.append((model, export, seeds))

    for arguments in ([], ["bert", "--no-export"], ["--seeds", "2", "bert", "--export"]):
        run(asked, arguments)
    assert called == [("", True, 6), ("bert", False, 6), ("bert", True, 2)]


@pytest.mark.parametrize(
    ("fail", "message"), [(1, "Error: settings.fail is 1: expected 0"), (2, "Error: .*No space left.*out")]
)
def test_an_error_is_one_line_and_a_status(tmp_path: Path, fail: int, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        run(stage, ["--source", "x", "--settings", f'{{"fail": {fail}}}', "--out", str(tmp_path / "out")])
    assert not list(tmp_path.iterdir())


def test_control_characters_of_a_name_are_not_printed_raw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def stage(source: str) -> None:
        """Refuse the source."""
        logging.getLogger("stage").warning("reading %s", source)
        raise UserError(f"{source}: no such file")

    with pytest.raises(SystemExit, match=r"^Error: a\\x1b\[2J\\udcff\\r: no such file$"):
        run(stage, ["--source", "a\x1b[2J\udcff\r"])
    assert "reading a\\x1b[2J\\udcff\\r\n" in capsys.readouterr().err


def test_a_defect_keeps_its_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^Error: ZeroDivisionError: a defect; this is a defect, unless"):
        run(stage, ["--source", "x", "--settings", '{"fail": 3}', "--out", str(tmp_path / "out")])
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_every_rule_names_the_function_that_does_its_work() -> None:
    for path in RULES:
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            assert "**work(" in rule or "work=" in rule, f"{path.name}: {rule.partition(':')[0]}"
            assert "python -P -m supertickets {params.work}" in rule, f"{path.name}: {rule.partition(':')[0]}"


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_named_function_exists_and_describes_its_parameters(name: str) -> None:
    function = load(name)
    parser = parser_of(function)
    described = (function.__doc__ or "").partition("Args:")[2]
    for parameter in inspect.signature(function).parameters:
        line = rf"^ +(\w+, )*{parameter}(, \w+)*: "
        assert re.search(line, described, re.MULTILINE), f"{name} does not describe {parameter}"
        assert f"--{parameter.replace('_', '-')}" in parser.format_help()


@pytest.mark.parametrize("name", ["nothing", "data.package", "data.package:nothing", "data.nothing:fetch_package"])
def test_a_function_that_does_not_exist_is_one_line(name: str) -> None:
    command = [sys.executable, "-P", "-m", "supertickets", name]
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"Error: {name!r} is not a function of the library; write package.module:function\n"


def test_files_of_rules_share_names_and_each_means_one_thing() -> None:
    modules: dict[str, set[str]] = {}
    for path in RULES:
        for module, bracketed, plain in re.findall(r"^from (\S+) import (?:\(([^)]*)\)|(.*))$", path.read_text(), re.M):
            for name in re.findall(r"\w+", re.sub(r"#.*", "", bracketed or plain)):
                modules.setdefault(name, set()).add(module)
    assert {name: found for name, found in modules.items() if len(found) > 1} == {} and len(modules) > 50

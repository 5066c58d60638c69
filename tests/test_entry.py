"""Command lines of the scripts, source fingerprints, the lean import, and small files."""

from __future__ import annotations

import inspect
import json
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import PROJECT

from supertickets import clock
from supertickets.entry import parser_of, run
from supertickets.errors import UserError
from supertickets.files import canonical_json, read_json, replacing, write_json
from supertickets.sources import PACKAGE, code_of, sources_of

SCRIPTS = sorted((PROJECT / "workflow" / "scripts").glob("[!_]*.py"))


def output_of(code: str) -> str:
    """What a Python process prints that finds the library."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


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


@pytest.mark.parametrize(
    ("fail", "message"), [(1, "Error: settings.fail is 1: expected 0"), (2, "Error: .*No space left.*out")]
)
def test_an_error_is_one_line_and_a_status(tmp_path: Path, fail: int, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        run(stage, ["--source", "x", "--settings", f'{{"fail": {fail}}}', "--out", str(tmp_path / "out")])
    assert not list(tmp_path.iterdir())


def test_a_defect_keeps_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        run(stage, ["--source", "x", "--settings", '{"fail": 3}', "--out", str(tmp_path / "out")])


def test_a_script_ends_quickly_and_loses_no_output() -> None:
    code = """
import atexit, logging, sys
from supertickets.entry import run
def stage(word: str) -> None:
    atexit.register(lambda: print("taken apart"))
    logging.getLogger("x").info("logged %s", word)
    print("printed", word)
sys.argv = ["stage", "--word", "it"]
run(stage)
"""
    assert output_of(code) == "printed it\n"


def test_scoring_imports_no_torch_and_leaves_it_importable() -> None:
    code = """
import sys
from supertickets.metrics import Score
assert "torch" not in sys.modules and "transformers" not in sys.modules
assert Score("accuracy").compute(predictions=[1.0, 0.0], references=[1.0, 1.0]) == {"accuracy": 50.0}
import torch, transformers
print(transformers.AutoTokenizer.__name__, torch.ones(2).sum().item())
"""
    assert output_of(code) == "AutoTokenizer 2.0\n"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_offers_one_function_and_explains_its_arguments(script: Path) -> None:
    names = runpy.run_path(str(script))
    (function,) = [value for value in names.values() if inspect.isfunction(value) and value is not run]
    parser = parser_of(function)
    for name in inspect.signature(function).parameters:
        assert name in (function.__doc__ or ""), f"{function.__name__} does not describe {name}"
        assert f"--{name.replace('_', '-')}" in parser.format_help()


def names(script: str) -> set[str]:
    return {path.stem for path in sources_of(PROJECT / "workflow" / "scripts" / f"{script}.py")}


def test_a_stage_consists_of_what_it_imports() -> None:
    assert {"retrain", "entry", "runs", "training", "surgery", "model", "optimizer"} <= names("retrain")
    assert not {"phase_transition", "scores", "sensitivity", "tasks", "config"} & names("retrain")
    assert {"style", "intervals", "phase_transition"} <= names("phase_transition")
    assert not {"training", "model", "rewind"} & names("phase_transition")
    assert not {"tables", "stage_tables"} & (names("encode") | names("retrain"))
    assert not {"training", "model", "surgery"} & (names("rewind") | names("ticket") | names("aggregate"))
    everything = set().union(*(names(script.stem) for script in SCRIPTS))
    used_at_start = {"clock", "config", "config_checks", "config_settings", "demands", "environment", "orphans"}
    used_at_start |= {"sources", "task_sizes", "time_limit", "versions"}
    assert {path.stem for path in PACKAGE.glob("*.py")} <= everything | used_at_start


def test_the_fingerprint_follows_contents_not_times(tmp_path: Path) -> None:
    script = tmp_path / "stage.py"
    script.write_text("from supertickets.files import sha256\n")
    first = code_of(script)
    os.utime(script, (0, 0))
    assert code_of(script) == first
    edited = tmp_path / "edited" / "stage.py"
    edited.parent.mkdir()
    edited.write_text("from supertickets.files import sha256  # edited\n")
    assert code_of(edited) != first
    (tmp_path / "wrong.py").write_text("from supertickets.nothing import this\n")
    with pytest.raises(ValueError, match="imports 'nothing'"):
        code_of(tmp_path / "wrong.py")


LEAN = """
import sys, torch
from supertickets.lean import import_modules
bert = "transformers.models.bert"
config, model = import_modules([f"{bert}.configuration_bert", f"{bert}.modeling_bert"])
assert "torch._dynamo" not in sys.modules and "scipy" not in sys.modules, "not lean"
import torch._dynamo  # what was left out can still be had
assert callable(torch._dynamo.optimize)
torch.manual_seed(0)
small = config.BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1, vocab_size=9)
print(float(model.BertModel(small).eval()(torch.arange(9)[None]).pooler_output.double().sum()))
"""


def test_a_leanly_imported_model_is_the_same_model() -> None:
    full = LEAN.replace("import sys, torch", "import sys, torch, transformers, transformers.models.bert.modeling_bert")
    full = full.replace('assert "torch._dynamo" not in', 'assert "torch._dynamo" in').replace("and", "or", 1)
    assert output_of(LEAN) == output_of(full)


def test_where_a_lean_import_fails_the_ordinary_one_is_used() -> None:
    broken = (
        "import supertickets.lean as lean\nlean.NOT_NEEDED = (*lean.NOT_NEEDED, 'transformers.configuration_utils')\n"
    )
    code = broken + LEAN.replace(
        'assert "torch._dynamo" not in sys.modules and "scipy" not in sys.modules, "not lean"', ""
    )
    assert output_of(code) == output_of(LEAN)


def test_what_a_killed_process_was_writing_is_removed_and_what_another_writes_is_not(tmp_path: Path) -> None:
    path = tmp_path / "table.md"
    killed, young = tmp_path / ".table.md.killed.md", tmp_path / ".table.md.young.md"
    killed.write_text("half")
    with replacing(path) as part:
        part.write_text("first")
        for old in (killed, part):
            os.utime(old, (time.time() - 5,) * 2)
        young.write_text("half")
        write_json(path, {"second": 2})
        assert not killed.exists() and part.exists() and young.exists()
    assert path.read_text() == "first"


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "content.json"
    write_json(path, {"b": 1, "a": [0.1]})
    assert read_json(path) == {"b": 1, "a": [0.1]} and path.stat().st_mode & 0o044
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    with pytest.raises(RuntimeError), replacing(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"b": 1, "a": [0.1]} and len(list(path.parent.iterdir())) == 1
    path.write_text('{"b": 1,\n "a"}')
    with pytest.raises(UserError, match=r"content.json, line 2: not valid JSON"):
        read_json(path)


def test_equal_content_is_equal_text() -> None:
    assert canonical_json({"b": 1, "a": {"d": 2, "c": None}}) == canonical_json(
        json.loads('{"a":{"c":null,"d":2},"b":1}')
    )


def test_what_another_workflow_writes_meanwhile_is_not_of_the_future(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "record.json").write_text("x")
    original = clock._changed

    def changed(path: Path) -> int:
        os.utime(path)
        return original(path)

    monkeypatch.setattr(clock, "_changed", changed)
    assert clock.bring_back(tmp_path) == 0

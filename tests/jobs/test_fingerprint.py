"""Fingerprints of code: what is in them, and what is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import LIBRARY, PROJECT

from supertickets.experiment.shown import FIGURES, PAGES, TABLES
from supertickets.jobs import fingerprint
from supertickets.jobs.fingerprint import code_of, modules_of, statements

SOURCE = '''"""A module."""

import logging

log = logging.getLogger(__name__)
TEXT = """kept

   # to the byte
"""


def area(width: float, height: float) -> float:
    """The area."""
    if width < 0:
        raise ValueError(f"{width} is below 0")  # nothing has a negative width
    log.info("the area of %s", width)
    if not height:
        what = f"{width} by {height}"
        kind = "flat one" if width else "nothing"
        names["of it"].kind = "a fifth"
        raise ValueError(what, kind)
    elif message("flat"):
        what = "low"
        return what
    while width > 7:
        if height > 7:
            yield f"{width} first"
        raise StopIteration
    while height > 7:
        yield from [f"{width} second"]
        raise StopIteration
    try:
        what = "third"
        raise KeyError
    except KeyError:
        log.info(what)
    with suppress(KeyError):
        what = "fourth"
        raise KeyError
    with reading(FILE, "a width"), blamed_on(f"{FILE}: no width"):
        yield Problem(3, "not a width")
    return width * height
'''


def modules(function: str, *loaded: str) -> set[str]:
    return {path.as_posix().removesuffix(".py") for path in modules_of(function, *loaded)}


def test_a_stage_consists_of_what_it_imports() -> None:
    training = modules("training.run:train_run")
    assert {"training/run", "training/loop", "encoder/cut", "encoder/model", "engine/optimizer"} <= training
    apart = ("report", "evaluation", "tickets", "data", "jobs", "errors", "files")
    assert not {name for name in training if name.startswith(apart)}
    figure = modules("report.figures.phase_transition:draw_phase_transition")
    assert {"report/figures/style", "evaluation/significance"} <= figure
    units = {"encoder/ticket", "encoder/arithmetic"}  # what a curve may be drawn against
    assert not {name for name in figure - units if name.startswith(("training", "encoder", "tickets"))}
    for light in ("encoder.rewind:rewind", "tickets.prune:prune", "evaluation.aggregate:aggregate"):
        assert not {"training/loop", "encoder/model", "encoder/cut", "encoder/batches"} & modules(light)
    assert "encoder/model" not in modules("encoder.tokenise:tokenise")


@pytest.mark.parametrize(
    "function",
    ["encoder.pretrained:prepare_model", "data.task:prepare_task", "encoder.tokenise:tokenise", "data.subset:subsample",
     "training.run:train_run", "multi_task.run:train_multi_task"],
)  # fmt: skip
def test_paths_of_results_are_in_no_training_and_in_nothing_before_one(function: str) -> None:
    assert not {"experiment/paths", "experiment/submission", "experiment/shown"} & modules(function)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""A module."""', '"""Another text,\n\nof three lines."""'),
        ('    """The area."""\n', ""),
        ("  # nothing has a negative width", ""),
        ("\n\ndef area", "\n\n# A comment, é.\n\n\n\ndef area"),
        ('f"{width} is below 0"', '\n            f"a width of {width}: give 0 or more",\n            width,\n        '),
        ('"the area of %s", width', '"the area of something that is %s wide", width'),
        ('FILE, "a width"', 'str(FILE), "the width of something"'),
        ('f"{FILE}: no width"', 'f"{FILE}: there is no width"'),
        ('3, "not a width"', '3, f"{width} is not a width"'),
        ('f"{width} by {height}"', '"no height"'),
        ('"flat one"', '"flat thing"'),
        ('message("flat")', 'message(f"{height} is flat")'),
    ],
    ids=[
        *("docstring", "no docstring", "comment", "comment and blank lines", "error", "log", "read", "blame", "line"),
        *("block that ends in an error", "one of two texts in it", "message"),
    ],
)
def test_words_are_not_in_the_fingerprint(before: str, after: str) -> None:
    assert before in SOURCE
    assert statements(SOURCE.replace(before, after)) == statements(SOURCE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("width * height", "height * width"),
        ("width < 0", "width <= 0"),
        ("kept\n\n", "kept\n"),
        ("# to the byte", "# To the byte"),
        ("raise ValueError", "raise TypeError"),
        ("height: float", "height: int"),
        ("raise ValueError(what, kind", "return (what, kind"),
        ('"low"', '"lower"'),
        ('"of it"', '"of them"'),
        ('"a fifth"', '"a 5th"'),
        ("first", "1st"),
        ("second", "2nd"),
        ('"third"', '"3rd"'),
        ('"fourth"', '"4th"'),
    ],
)
def test_statements_are_in_the_fingerprint(before: str, after: str) -> None:
    assert before in SOURCE
    assert statements(SOURCE.replace(before, after)) != statements(SOURCE)


def test_the_fingerprint_is_of_paths_and_statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def written(folder: str, text: str, name: str = "stage") -> Path:
        library = tmp_path / folder / "supertickets"
        (library / "jobs").mkdir(parents=True)
        (library / "jobs" / "locks.py").write_text(f"SECONDS = {len(folder)}\n")
        (library / f"{name}.py").write_text(f"from supertickets.jobs.locks import SECONDS\n{text}\n")
        return library

    def code(library: Path, name: str = "stage") -> str:
        for cached in (fingerprint.code_of, fingerprint._imports_of, fingerprint._statements_of):
            cached.cache_clear()
        monkeypatch.setattr(fingerprint, "LIBRARY", library)
        return code_of(f"{name}:run")

    first = code(written("a", "X = 1"))
    assert code(written("another", "X = 1  # the lock differs, and what is said of it")) == first
    assert code(written("b", "X = 2")) != first
    assert code(written("c", "X = 1", "other"), "other") != first
    for wrong, message in (
        ("from supertickets.nothing import this", "there is no nothing/this.py"),
        ("import supertickets.jobs", "write 'from supertickets.package.module import name'"),
        ("from .jobs import locks", "a relative import; name the module in full"),
    ):
        with pytest.raises(ValueError, match=message):
            code(written(f"d{len(message)}", wrong))


def test_every_module_is_part_of_a_stage_or_read_at_the_start() -> None:
    rules = "".join(path.read_text() for path in (PROJECT / "workflow" / "rules").glob("*.smk"))
    functions = re.findall(r"""work\(\s*["']([\w.]+:\w+)["']""", rules)
    functions += [f"report.figures.{name}:draw_{name}" for name in FIGURES]
    functions += [f"report.tables.{name}:write_{name}" for name in TABLES]
    functions += [f"report.pages.{name}:write_{name}" for name in PAGES]
    loaded = [
        f"{package.replace('/', '.')}.{path.stem}"
        for package in ("tickets/methods", "tickets/kinds", "evaluation/metrics")
        for path in (LIBRARY / package).glob("[!_]*.py")
    ]
    found = set().union(*(modules(function, *loaded) for function in functions))
    every = {path.relative_to(LIBRARY).with_suffix("").as_posix() for path in LIBRARY.rglob("*.py")}
    apart = ("__init__", "jobs/", "experiment/", "errors", "files", "__main__", "call", "server", "api", "command")
    assert not {name for name in every - found if not name.startswith(apart) and not name.endswith("__init__")}

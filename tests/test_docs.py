"""What README and the pages say: their commands, configs, recipes and links are right."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from conftest import PROJECT, toy, write_tiny_task
from recipes import EXTEND, KEYS, WRITTEN, edited_module, module_from, with_keys

from supertickets import command as command_module
from supertickets.call import parser_of
from supertickets.data.task import prepare_task
from supertickets.experiment import config as config_module
from supertickets.experiment.config import SCHEMA, check_config
from supertickets.experiment.shown import FIGURES, TABLES, everything
from supertickets.experiment.shown import PAGES as REPORT_PAGES

PAGES = [PROJECT / "README.md", PROJECT / "ARCHITECTURE.md", *sorted((PROJECT / "docs").glob("*.md"))]
#: Pages whose commands are not tried.
FURTHER_PAGES = [PROJECT / name for name in ("CHANGELOG.md", "config/README.md", "benchmarks/README.md")]
FURTHER_PAGES += [PROJECT / "benchmarks" / "NOTES.md"]


def name_of(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def blocks(language: str) -> list[tuple[str, str]]:
    """Blocks of code on all pages, each with the page that it is on."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [(name_of(page), block) for page in PAGES for block in pattern.findall(page.read_text())]


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    return module_from(PROJECT / "docs" / "hooks.py")


def test_the_readme_is_short() -> None:
    assert len((PROJECT / "README.md").read_text().splitlines()) <= 120


@pytest.mark.parametrize("page", [*PAGES, *FURTHER_PAGES], ids=name_of)
def test_lines_have_at_most_120_columns(page: Path) -> None:
    long = [line for line in page.read_text().splitlines() if len(line) > 120 and not line.startswith("|")]
    assert not long


def anchors_of(path: Path) -> set[str]:
    """Anchors of a page's headings."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *FURTHER_PAGES], ids=name_of)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        path = page.parent / target if target else page
        assert path.exists(), f"{name_of(page)} links to {target}"
        assert not anchor or anchor in anchors_of(path), f"{name_of(page)} links to {target}#{anchor}"


# Configs.


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages' configs name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "my-bert").mkdir(parents=True)
    (tmp_path / "models" / "my-classifier").mkdir()
    (tmp_path / "models" / "my-classifier" / "config.json").write_text('{"id2label": {"0": "yes", "1": "no"}}')
    (tmp_path / "data").mkdir()
    for name in ("complaints.tsv", "a.csv", "b.csv", "c.csv"):
        write_tiny_task(tmp_path / "data" / name, 300)
    return tmp_path


@pytest.fixture
def extended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema with the names and keys that recipes add to it."""
    schema = yaml.safe_load(with_keys(SCHEMA.read_text()))
    definitions = schema["$defs"]
    enums = {
        "tickets/methods": definitions["pruning"]["properties"]["importance"]["enum"],
        "tickets/kinds": definitions["kind"]["properties"]["like"]["enum"],
        "evaluation/metrics": definitions["task"]["properties"]["metrics"]["items"]["enum"],
    }
    for path in map(Path, WRITTEN):
        if path.parent.as_posix() in enums:
            enums[path.parent.as_posix()].append(path.stem)
    (tmp_path / "schema.yaml").write_text(yaml.safe_dump(schema))
    monkeypatch.setattr(config_module, "SCHEMA", tmp_path / "schema.yaml")


CONFIGS = [(page, block) for page, block in blocks("yaml") if not block.startswith(" ")]


@pytest.mark.parametrize(("page", "block"), CONFIGS, ids=[page for page, _ in CONFIGS])
@pytest.mark.usefixtures("files", "extended")
def test_a_config_is_accepted(page: str, block: str) -> None:
    assert check_config(yaml.safe_load(block))


@pytest.mark.usefixtures("files", "extended")
def test_what_recipes_add_to_the_schema_can_be_asked_for() -> None:
    kinds = {"like_it": {"like": "by_layer"}, "by_it": {"importance": "squared_sensitivity"}}
    keys = {"min_words": 3, "training": {"least_rate": 1.0e-5}}
    config = check_config({"kinds": ["winning", *kinds], "define": {"kinds": kinds}, **keys})
    assert config["min_words"] == 3 and check_config({})["min_words"] == 0
    assert config["training"]["least_rate"] == 1.0e-5 and check_config({})["training"]["least_rate"] == 0


def test_the_example_with_most_keys_has_as_many_tickets_as_the_page_says() -> None:
    from supertickets.experiment.grid import grid_of, runs_of, scoped

    page = (PROJECT / "docs" / "configuration.md").read_text()
    block = next(block for name, block in CONFIGS if name == "docs/configuration.md")
    runs = runs_of(scoped(grid_of(check_config(yaml.safe_load(block))), "all"))
    count = sum(run["kind"] != "full" for run in runs)
    assert f"This experiment has {count:,} tickets" in page


# Commands.


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command of every page, without comments, each with its page."""
    for page, block in blocks("sh"):
        for line in block.splitlines():
            for part in line.partition("#")[0].split("&&"):
                if words := shlex.split(part):
                    yield page, words


COMMANDS = list(commands())
#: A target of make in a sentence.
TARGET = re.compile(r"`make (?:PYTHON=\S+ )?([\w-]+)")


def of_program(program: str) -> list[tuple[str, list[str]]]:
    return [(page, words) for page, words in COMMANDS if words[0] == program]


def test_make_has_the_targets() -> None:
    targets = re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    inline = [(name_of(page), ["make", target]) for page in PAGES for target in TARGET.findall(page.read_text())]
    for page, (_, *asked) in [*of_program("make"), *inline]:
        assert {word for word in asked if "=" not in word} <= {*targets}, f"{page}: make {asked}"


def test_snakemake_takes_the_options_and_knows_the_targets(files: Path) -> None:
    from snakemake.cli import get_argument_parser

    parser = get_argument_parser()
    shown = {f"results/figures/{name}" for name in FIGURES} | {f"results/tables/{name}" for name in TABLES}
    calls = of_program("snakemake")
    assert len(calls) > 20
    for page, words in calls:
        asked = parser.parse_args(words[1:])
        for target in asked.targets:
            submission = re.fullmatch(r"results/submissions/[\w-]+-(full|super)\.zip", target)
            run = re.fullmatch(r"results/runs/\w+/\w+/n\w+/seed\d+/(full|\w+-0\.\d\d)/record\.json", target)
            form = r"(README\.md|verdict\.json|(dense|cut)/config\.json|model(\.int8)?\.onnx)"
            export = re.fullmatch(rf"results/exports/[\w-]+/\w+/(full|super)/{form}", target)
            named = target in ("fetch_all",) or target.rpartition(".")[0] in shown
            assert named or submission or export or run, f"{page}: {target}"
        for path in asked.configfile or []:
            own = path == Path("my.yaml")
            assert own or check_config(yaml.safe_load((PROJECT / path).read_text())), f"{page}: {path}"
        for profile in asked.profile or []:
            assert (PROJECT / profile / "config.yaml").is_file(), f"{page}: {profile}"
        for rule in asked.forcerun or []:
            assert rule in rules_of_the_workflow(), f"{page}: {rule}"


def test_other_commands_name_files_that_exist() -> None:
    known = {
        "make",
        "snakemake",
        ".",
        "pip",
        "podman",
        "apptainer",
        "rsync",
        "rm",
        "touch",
        "find",
        ".venv/bin/snakemake",
        "supertickets",
    }
    assert {words[0] for _, words in COMMANDS} <= known
    for page, words in COMMANDS:
        for option, value in pairwise(words):
            if words[0] in ("pip", "podman") and option in ("-r", "--file"):
                assert (PROJECT / value).is_file(), f"{page}: {value}"


def test_the_command_takes_the_options() -> None:
    calls = of_program("supertickets")
    assert calls
    for _, (_, name, *options) in calls:
        parser_of(command_module.COMMANDS[name]).parse_args(options)


def test_benchmarks_have_the_names() -> None:
    names = {path.stem for path in (PROJECT / "benchmarks").glob("[!_]*.py")}
    for page in PAGES:
        assert {*re.findall(r"`python -m benchmarks (\w+)", page.read_text())} <= names


def test_the_readmes_dry_run(tmp_path: Path) -> None:
    assert ("README.md", ["snakemake", "--dry-run"]) in COMMANDS
    command = [sys.executable, "-m", "snakemake", "--snakefile", PROJECT / "Snakefile", "--directory", tmp_path]
    done = subprocess.run([*command, "--dry-run", "--quiet", "rules"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # The main figure and its trainings are among them.
    config = check_config({})
    possible = sum(figure.possible(config) for figure in FIGURES.values())
    assert re.search(rf"^draw_figure +{possible}$", done.stdout + done.stderr, re.MULTILINE)


# Recipes.


@pytest.fixture
def recipes(tmp_path: Path) -> dict[str, ModuleType]:
    """The modules that recipes have somebody write, by their names."""
    modules = {}
    for path, code in WRITTEN.items():
        file = tmp_path / Path(path).name
        file.write_text(code)
        modules[file.stem] = module_from(file)
    return modules


def test_recipes_are_formatted_as_the_project_is(tmp_path: Path) -> None:
    assert len(WRITTEN) == 6
    for path, code in WRITTEN.items():
        (tmp_path / Path(path).name).write_text(code)
    for check in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *check, "--config", PROJECT / "pyproject.toml", tmp_path]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_recipe_for_a_score_scores_every_unit(recipes: dict[str, ModuleType]) -> None:
    random = np.random.default_rng(0)
    sizes = [random.random((5, 4)) for _ in range(3)]
    blocks_of = [random.random(5) for _ in range(2)]
    sample = SimpleNamespace(activity=SimpleNamespace(context_sizes=sizes, ffn_output_sizes=blocks_of))
    heads, ffn = recipes["squared_sensitivity"].score(sample)
    assert [layer.shape for layer in heads] == [(4,)] * 3 and ffn.shape == (2,)
    np.testing.assert_allclose(heads[1][2], np.mean(sizes[1][:, 2] ** 2))


def test_the_recipe_for_a_kind_prunes_what_it_is_asked_to(recipes: dict[str, ModuleType]) -> None:
    random = np.random.default_rng(0)
    ticket = recipes["by_layer"].keep(random.random((3, 4)), random.random(3), 6, 1, random)
    assert [len(kept) for kept in ticket.heads] == [2, 2, 2] and len(ticket.ffn) == 2


def test_the_recipe_for_a_metric_scores_resamples_as_it_scores_once(recipes: dict[str, ModuleType]) -> None:
    metric, random = recipes["cohen_kappa"].METRIC, np.random.default_rng(0)
    true, predicted = (random.integers(3, size=40).astype(float) for _ in range(2))
    counts = random.multinomial(40, [1 / 40] * 40, size=20)
    each = [metric.plain(np.repeat(predicted, count), np.repeat(true, count)) for count in counts]
    np.testing.assert_allclose(metric.weighted(predicted, true, counts), each)


def test_the_recipes_for_a_figure_a_table_and_a_page_make_them(recipes: dict[str, ModuleType], tmp_path: Path) -> None:
    from made_up_runs import MAIN, write_runs

    grid = MAIN | {"tasks": ["movie"], "train_sizes": [64], "ratios": [0.3], "seeds": [1, 2]}
    write_runs(tmp_path, grid)
    made = [tmp_path / name for name in ("f.pdf", "f.png", "t.csv", "t.md", "t.tex", "p.html")]
    recipes["seed_range"].draw_seed_range(tmp_path, grid, *made[:2])
    recipes["lightest"].write_lightest(tmp_path, grid, *made[2:5])
    recipes["weights"].write_weights(tmp_path, grid, made[5])
    assert all(path.stat().st_size > 0 for path in made)
    assert "%" in made[3].read_text() and re.search(r"<td>movie</td><td[^>]*>\d+%</td>", made[5].read_text())


def test_the_rows_of_recipes_are_rows_of_figures_tables_and_pages() -> None:
    import supertickets.experiment.shown as shown

    rows = re.findall(r'^    ("(?:seed_range|lightest|weights)": Shown\(.*\)),$', EXTEND, re.MULTILINE)
    made: dict[str, Any] = {}
    for row in rows:
        made |= eval(f"{{{row}}}", vars(shown))
    config = check_config({})
    assert {*made} == {"seed_range", "lightest", "weights"}
    assert all(row.inputs(config) and row.possible(config) for row in made.values())


def test_the_recipe_for_a_config_key_leaves_short_sentences_out(tmp_path: Path) -> None:
    settings, subset = (edited_module(name, tmp_path) for name in ("experiment/settings.py", "data/subset.py"))
    config = check_config({"tasks": ["movie"], "stratify": True}) | {"min_words": 6}
    options = settings.subset_settings(config, "movie")
    assert options == {"stratify": 1, "min_words": 6}
    write_tiny_task(tmp_path / "toy.tsv")
    prepare_task(toy(tmp_path / "toy.tsv"), tmp_path / "toy.parquet")
    texts = pq.read_table(tmp_path / "toy.parquet")["text"].to_pylist()
    for more, shortest in ({}, 3), (options, 6):
        subset.subsample(tmp_path / "toy.parquet", "all", 1, **{"stratify": 1, **more}, subset=tmp_path / "rows.json")
        rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
        assert min(len(texts[row].split()) for row in rows) == shortest


def test_the_recipe_for_a_key_of_training_keeps_the_rate_up(tmp_path: Path) -> None:
    of_training, loop = (edited_module(name, tmp_path) for name in ("training/settings.py", "training/loop.py"))
    default = yaml.safe_load(KEYS["$defs.training.properties"])["least_rate"]["default"]
    steps = of_training.Steps("adamw", 0.1, 1, 2, 0.0, 0.0, 1.0, 1e-8, True, "shuffled", default)

    def rates(**more: float) -> list[float]:
        found = []

        def step(task: int, rows: np.ndarray, rate: float) -> torch.Tensor:
            found.append(rate)
            return torch.zeros(())

        turns = [[(0, np.arange(1))] * 4] * 2
        loop.take_steps(None, step, turns, [4], replace(steps, **more), torch.device("cpu"), None)
        return found

    assert min(rates()) < 0.02 and min(rates(least_rate=0.03)) == 0.03 and max(rates(least_rate=0.03)) == 0.1


# What pages list.


def keys_of(node: Any) -> Iterator[str]:
    """Names of all keys that a schema has anywhere."""
    if isinstance(node, dict):
        for name, inner in node.items():
            if name in ("properties", "patternProperties") and isinstance(inner, dict):
                yield from (key for key in inner if key)
            yield from keys_of(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from keys_of(inner)


def test_the_reference_has_every_key_of_the_schema(hooks: ModuleType) -> None:
    schema = yaml.safe_load(SCHEMA.read_text())
    row = re.compile(r"^\| `([^`]+)` \| (.*?) \| (.*?) \| (.*) \|$", re.MULTILINE)
    # By heading, the rows below it.
    sections = {
        heading: {path: row for path, *row in row.findall(text)}
        for heading, text in re.findall(
            r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", hooks.reference(schema), re.DOTALL | re.MULTILINE
        )
    }
    paths = {
        path if heading.startswith("Keys") else f"{heading}.{path}"
        for heading in sections
        for path in sections[heading]
    }
    names = {name for path in paths for name in path.split(".")}
    assert {*keys_of(schema)} <= names
    assert {*schema["properties"]} <= {path.partition(".")[0] for path in paths}
    for rows in sections.values():
        assert all(kind and (meaning or path.endswith("NAME")) for path, (kind, _, meaning) in rows.items())
    assert sections["training"]["learning_rate"][:2] == ["number, above 0, to 1", "`0.00015`"]
    assert "hub.parts.train" in sections["define.tasks.NAME"]


def test_the_glossary_has_twelve_words() -> None:
    text = (PROJECT / "docs" / "glossary.md").read_text()
    assert len(re.findall(r"^:   ", text, re.MULTILINE)) == 12


def test_every_figure_and_table_is_described() -> None:
    text = (PROJECT / "docs" / "results.md").read_text()
    assert {*FIGURES, *TABLES, *REPORT_PAGES} <= {*re.findall(r"`(\w+)`", text)}
    assert len(everything(check_config({}))) > 10


def rules_of_the_workflow() -> set[str]:
    text = "".join(path.read_text() for path in sorted((PROJECT / "workflow" / "rules").glob("*.smk")))
    return {*re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)(?: with)?:", text, re.MULTILINE)}


def test_architecture_names_every_rule_and_package() -> None:
    text = (PROJECT / "ARCHITECTURE.md").read_text()
    assert {*re.findall(r"\b[a-z0-9_]+\b", text)} >= rules_of_the_workflow() - {"tokenise_unlabelled"}
    packages = {path.parent.name for path in (PROJECT / "workflow" / "supertickets").glob("*/__init__.py")}
    assert {*re.findall(r"`(\w+)/`", text)} >= packages


def test_the_site_has_every_page(hooks: ModuleType) -> None:
    menu = yaml.safe_load((PROJECT / "mkdocs.yml").read_text())["nav"]
    named = {*re.findall(r"[\w/-]+\.md", str(menu))}
    assert named == {path.name for path in PAGES[2:]} | {*hooks.PLACES.values()}


def test_links_of_the_readme_lead_to_pages_of_the_site(hooks: ModuleType) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="index.md"))
    told = hooks.on_page_markdown("[a](docs/start.md) [b](ARCHITECTURE.md#files) [c](LICENSE)", page, None, None)
    assert told == "[a](start.md) [b](architecture.md#files) [c](files/LICENSE.md)"
    page.file.src_uri = "extend.md"
    assert (
        hooks.on_page_markdown("![](../docs/a.png) [b](https://x.org)", page, None, None)[-18:] == "[b](https://x.org)"
    )

"""A tiny encoder and a tiny task, and a copy of the project that runs them."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forked
import numpy as np
import psutil
import pytest
import torch
from hypothesis import HealthCheck, settings
from matplotlib.figure import Figure

from supertickets.experiment import shown as rows
from supertickets.experiment.task_files import resolved

PROJECT = Path(__file__).parents[1]
LIBRARY = PROJECT / "workflow" / "supertickets"
WORDS = ["good", "fine", "great", "bad", "poor", "awful", "film", "book", "a", "the", "was", "it", "very", "not"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
TINY = {
    "model_type": "bert",
    "vocab_size": len(SPECIAL) + len(WORDS),
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
}


#: The tiny task's definition, but for its file.
TOY = {
    "delimiter": "\t",
    "columns": {"id": "id", "target": "label", "text": "text"},
    "type": "classification",
    "labels": ["no", "yes"],
    "split": {"seed": 0, "validation": 0.2, "test": 0.2, "group_separator": ""},
}


#: How many examples a property is tried with: in a quick run of the tests, and in one that leaves out nothing slow.
EXAMPLES = {"quick": 25, "thorough": 150}


def pytest_configure(config: pytest.Config) -> None:
    """Take one thread, and try properties with as many examples as the marker expression leaves time for."""
    for name, examples in EXAMPLES.items():
        settings.register_profile(
            name, max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
        )
    torch.set_num_threads(1)  # as jobs do: threads of several processes of tests would wait for each other
    settings.load_profile("quick" if "not slow" in config.getoption("markexpr") else "thorough")


def tries(thorough: int, quick: int) -> int:
    """How often something costly is tried, in a run of the tests that leaves out nothing slow and in a quick one."""
    return thorough if settings.default.max_examples == EXAMPLES["thorough"] else quick


def names_in(package: str) -> set[str]:
    """Names of the modules of a package of the library, ``tickets/methods``."""
    return {path.stem for path in (LIBRARY / package).glob("[!_]*.py")}


def output_of(code: str) -> str:
    """What a Python process prints that finds the library."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ended(process: psutil.Process) -> bool:
    """Whether a process has ended, though nobody may have asked how."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def toy(path: Path, **changes: Any) -> dict[str, Any]:
    """The tiny task as the library takes it."""
    return resolved({**TOY, "path": str(path), **changes}, "hub")


def write_tiny_model(folder: Path, **changes: int) -> None:
    """A randomly initialised BERT with a word-level tokenizer, in the files of a model folder."""
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True, exist_ok=True)
    config = TINY | changes
    torch.manual_seed(0)
    model = BertModel(BertConfig(**{key: value for key, value in config.items() if key != "model_type"}))
    with torch.no_grad():
        for parameter in model.parameters():  # biases and norms too: nothing may be zero or one by luck
            parameter.add_(0.1 * torch.randn(parameter.shape))
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary = {word: index for index, word in enumerate(SPECIAL + WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 32, **names})
    )


def write_tiny_task(path: Path, count: int = 120) -> None:
    """Sentences with a good or a bad word, its label and a value of its sign, as a file with a header."""
    random = np.random.default_rng(0)
    lines = ["id\ttext\tlabel\tvalue"]
    for index in range(count):
        good = index % 2
        words = random.choice(WORDS[6:], size=random.integers(2, 9)).tolist()
        words.insert(random.integers(len(words)), random.choice(WORDS[:3] if good else WORDS[3:6]))
        value = (2 * good - 1) * random.uniform(0.5, 1.5)
        lines.append(f"s{index}\t{' '.join(words)}\t{['no', 'yes'][good]}\t{value:.3f}")
    path.write_text("\n".join(lines) + "\n")


def tiny_config(**changes: object) -> dict[str, object]:
    """The config of the tiny experiment; paths are relative to the folder that it runs in."""
    columns = {"id": "id", "text": "text", "target": "label"}
    return {
        "models": ["tiny"],
        "tasks": ["toy", "toy_value"],
        "train_sizes": [32],
        "seeds": [1, 2],
        "kinds": ["winning"],
        "ratios": [0.3, 0.6],
        "max_length": 16,
        "training": {"epochs": 2, "batch_size": 8, "learning_rate": 1.0e-2},
        "evaluate": {"validation": "all", "test": "all"},
        "latency": {"batch_sizes": [1, 4], "lengths": [8]},
        "device": "cpu",
        "define": {
            "models": {"tiny": {"path": "data/tiny"}},
            "tasks": {
                "toy": {
                    "path": "data/toy.tsv",
                    "columns": columns,
                    "type": "classification",
                    "labels": ["no", "yes"],
                    "metrics": ["accuracy", "f1"],
                },
                "toy_value": {
                    "path": "data/toy.tsv",
                    "columns": {**columns, "target": "value"},
                    "type": "regression",
                    "metrics": ["pearson", "spearman"],
                    "split": {"seed": 5},
                },
            },
        },
    } | changes


#: What a call of Snakemake imports, but for the project itself: more than half of the time of a dry run.
SNAKEMAKE = (
    "snakemake.cli",
    "snakemake.report.html_reporter",
    "snakemake.executors.local",
    "snakemake.executors.dryrun",
)
SNAKEMAKE += ("jsonschema", "numpy", "yaml", "yte")


@dataclass
class Workspace:
    """A copy of the project with its own config and results."""

    folder: Path

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run snakemake in it."""
        options = ["--cores", "2", *arguments]
        return forked.call(SNAKEMAKE, "snakemake.cli:main", options, self.folder, os.environ | environment)

    def configure(self, config: dict[str, object]) -> None:
        """Replace the config."""
        (self.folder / "config.yaml").write_text(json.dumps(config))

    def make(self, *arguments: str, **environment: str) -> str:
        """Run snakemake and expect success; its output."""
        done = self(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def planned(self, *targets: str) -> dict[str, int]:
        """How many jobs of each rule a call would run now."""
        output = self.make("--dry-run", *targets)
        stats = output.partition("Job stats:")[2].partition("total")[0]
        return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE)}

    def predictions(self) -> dict[str, bytes]:
        """What every single-task run predicted, by path."""
        paths = sorted((self.folder / "results/runs").rglob("predictions.parquet"))
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}

    def copy(self, folder: Path) -> Workspace:
        """A copy of the workspace with all results, file times included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Workspace(folder)


def new_workspace(folder: Path, config: dict[str, object]) -> Workspace:
    """The project's own files with a config, and the tiny model and task under ``data/``."""
    folder.mkdir(parents=True)
    shutil.copy2(PROJECT / "Snakefile", folder)
    for name in ("workflow", "profiles", "envs"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    write_tiny_model(folder / "data" / "tiny")
    write_tiny_task(folder / "data" / "toy.tsv")
    workspace = Workspace(folder)
    workspace.configure(config)
    return workspace


def pytest_collection_finish() -> None:
    """Leave what modules hold out of the search for garbage, which statsmodels starts in every correction."""
    gc.freeze()


#: Figures and tables of tiny experiments, which have no rivals, no published numbers, and random tickets at one size.
FIGURES = {*rows.FIGURES} - {"rivals", "kinds_by_size"}
TABLES = {*rows.TABLES} - {"rivals", "published"}
#: Those of multi-task training, and those that need new tasks.
SHARED = {name for name, row in {**rows.FIGURES, **rows.TABLES}.items() if row.scope == "multi_task"}
ADAPTED = {"domain_adaptation"}


def shown(workspace: Workspace) -> set[str]:
    """Figures and tables that are there."""
    folders = ("figures", "tables")
    return {f"{folder}/{path.name}" for folder in folders for path in (workspace.folder / "results" / folder).iterdir()}


def files_of(names: set[str]) -> set[str]:
    """The files of some figures and tables."""
    drawn = {f"figures/{name}.{suffix}" for name in FIGURES & names for suffix in ("pdf", "png")}
    return drawn | {f"tables/{name}.{suffix}" for name in TABLES & names for suffix in ("csv", "md", "tex", "html")}


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first process of a test run that needs it makes; those beside it wait, and take it over."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # one below it for each process
    folder, done = root / f"shared {name}", root / f"shared {name}.made"
    with (root / f"shared {name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


FIGURE = "results/figures/phase_transition.pdf"


def small_config(**changes: object) -> dict[str, object]:
    """The tiny experiment with one seed and one ratio."""
    return tiny_config(**{"seeds": [1], "ratios": [0.6]} | changes)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The small experiment, run to the main figure once; nothing may be changed in it."""
    return Workspace(
        made_once(tmp_path_factory, "figure", lambda folder: new_workspace(folder, small_config()).make(FIGURE))
    )


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny experiment, run to the end once; nothing may be changed in it."""
    return Workspace(
        made_once(tmp_path_factory, "everything", lambda folder: new_workspace(folder, tiny_config()).make())
    )


@pytest.fixture
def workspace(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the small experiment to do things to."""
    return finished.copy(tmp_path / "the project")


@pytest.fixture
def large_workspace(complete: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the tiny experiment to do things to."""
    return complete.copy(tmp_path / "the project")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's files in the form that the library reads."""
    from supertickets.encoder.pretrained import prepare_model

    source = tmp_path_factory.mktemp("tiny")
    write_tiny_model(source)
    prepare_model(source / "config.json", {"path": str(source)}, source / "pretrained")
    return source / "pretrained"


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with made-up predictions, scored, compared and judged."""
    from made_up_runs import make_results

    return made_once(tmp_path_factory, "results", make_results)


@pytest.fixture
def closed() -> Iterator[None]:
    """Close the figures of a test."""
    from matplotlib import pyplot as plt

    yield
    plt.close("all")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Collect figures instead of writing them."""
    from supertickets.report.figures import style

    figures: list[Figure] = []
    monkeypatch.setattr(style, "save", lambda figure, *files: figures.append(figure))
    return figures

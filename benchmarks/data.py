"""The models and tasks that are measured on, made by the workflow itself."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import AutoTokenizer

from supertickets.encoder.encoded import Encoded
from supertickets.jobs.environment import MALLOC

from .machine import PRECISION

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Task:
    """A task to measure on.

    Attributes:
        name: what to call it.
        encoded: its file, as the rule ``tokenise`` writes it.
        outputs: number of classes, or 1 for regression.
        model: folder of the encoder that it is tokenised for.
    """

    name: str
    encoded: Path
    outputs: int
    model: Path

    def rows(self, train: int, evaluated: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on, drawn by a seed, and rows to predict, always the same."""
        data = Encoded.read(self.encoded)
        drawn = np.random.default_rng(seed).permutation(data.first("train", None))[:train]
        return drawn, data.first("test", evaluated)


@dataclass(frozen=True)
class Place:
    """Where a benchmark's encoder and tasks are; the workflow makes what is missing.

    Attributes:
        project: folder of the project, or of a copy of it.
        model: name of the encoder in its config.
        names: of tasks of two classes.
    """

    project: Path
    model: str
    names: tuple[str, ...]

    def tasks(self) -> list[Task]:
        """The tasks, ready to train on."""
        encoded = [f"results/encoded/{self.model}/{name}.parquet" for name in self.names]
        folder = f"results/pretrained/{self.model}"
        make(self.project, *encoded, f"{folder}/shape.json")
        return [
            Task(name, self.project / path, 2, self.project / folder)
            for name, path in zip(self.names, encoded, strict=True)
        ]


#: Film reviews' sentences with the default's encoder.
MOVIE = Place(ROOT, "minilm", ("movie",))


def copy_of(project: Path, folder: Path) -> None:
    """Copy what a project runs from into a folder, without its results."""
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(project / name, folder)
    for name in ("workflow", "profiles", "envs", "configs", "data"):
        if (project / name).exists():
            shutil.copytree(project / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def make(project: Path, *targets: str, device: str = "cpu", precision: str = PRECISION) -> None:
    """Let the workflow of a copy of the project make some files."""
    command = [sys.executable, "-m", "snakemake", "--cores", "all", *targets]
    config = ["--config", f"device={device}", f"precision={precision}"]
    subprocess.run([*command, *config, "--quiet", "all"], cwd=project, check=True)


def sts_b(glue: Path, model: Path) -> Task:
    """Similarity of two sentences; the labelled dev part is predicted.

    Args:
        glue: a folder in the official GLUE layout.
        model: folder of the encoder.
    """
    encoded = ROOT / "results/benchmarks/sts_b.parquet"
    parts = {"train": "train.tsv", "test": "dev.tsv"}
    tables = [
        pd.read_csv(
            glue / "STS-B" / name, sep="\t", quoting=csv.QUOTE_NONE, usecols=["sentence1", "sentence2", "score"]
        )
        .assign(split=part)
        .dropna()
        for part, name in parts.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    tokenizer = AutoTokenizer.from_pretrained(model)
    pairs = (table["sentence1"].tolist(), table["sentence2"].tolist())
    tokens = tokenizer(*pairs, truncation=True, max_length=128, return_token_type_ids=True)
    columns = {
        "id": table.index.astype(str),
        "split": table["split"],
        "label": table["score"].astype(float),
        "input_ids": pa.array(tokens["input_ids"], pa.list_(pa.int32())),
        "token_type_ids": pa.array(tokens["token_type_ids"], pa.list_(pa.int8())),
    }
    encoded.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), encoded)
    return Task("STS-B", encoded, 1, model)


def environment() -> dict[str, str]:
    """The environment that the workflow gives its jobs; peers get it too."""
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "workflow")])}
    return os.environ | paths | {name: str(value) for name, value in MALLOC.items()}

"""A GPU: tokens per second of BERT-base alone and side by side, the default's main figure, and the tests of devices."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel

from supertickets.encoder.ticket import Shape, Ticket
from supertickets.files import write_json
from supertickets.jobs.environment import set_environment

from .children import SETTINGS, job_command, run
from .data import ROOT, copy_of, environment, make
from .machine import gemm_rate
from .overhead import WAYS
from .results import write
from .training import arithmetic

#: Products of one BERT-base step on 32 x 128 tokens, and what the hardware is measured by.
SHAPES = ((4096, 768, 768), (4096, 768, 3072), (4096, 3072, 768))
PEAK = ((8192, 8192, 8192),)
BATCH = 32
TESTS = "tests/training/test_device.py"


@dataclass(frozen=True)
class Size:
    """How much to train: ``steps`` batches of sentences of ``length`` tokens in each of some processes."""

    length: int
    steps: int
    processes: int


#: What is trained: sentences of two lengths, alone and four at a time.
SIZES = [Size(length, 300, count) for length in (128, 64) for count in (1, 4)]


def write_model(folder: Path, **changes: Any) -> None:
    """A BERT-base with random weights; ``changes`` to its config make it smaller."""
    config = BertConfig(**changes)
    folder.mkdir(parents=True)
    config.save_pretrained(folder)
    sizes = (config.num_hidden_layers, config.num_attention_heads, config.hidden_size, config.intermediate_size)
    weights = {f"bert.{name}": tensor.contiguous() for name, tensor in BertModel(config).state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    write_json(folder / "shape.json", asdict(Shape(*sizes, sum(tensor.numel() for tensor in weights.values()))))


def write_task(path: Path, length: int, count: int, vocabulary: int) -> None:
    """Random sentences of one length, to train on and, a few, to predict."""
    random = np.random.default_rng(0)
    ids = random.integers(5, vocabulary, (count + 8, length), dtype=np.int32)
    columns = {
        "id": [str(row) for row in range(count + 8)],
        "split": ["train"] * count + ["test"] * 8,
        "label": random.integers(2, size=count + 8).astype(float),
        "input_ids": pa.array(ids.tolist(), pa.list_(pa.int32())),
        "token_type_ids": pa.array(np.zeros_like(ids).tolist(), pa.list_(pa.int8())),
    }
    pq.write_table(pa.table(columns), path)


def throughput(module: str, size: Size, asked: dict[str, Any]) -> float:
    """Tokens per second of some processes together, from the first one's first step to the last one's last."""
    with ThreadPoolExecutor(size.processes) as pool:
        answers = list(pool.map(lambda _: run(module, asked), range(size.processes)))
    began, ended = min(answer["began"] for answer in answers), max(answer["ended"] for answer in answers)
    return size.processes * size.steps * BATCH * size.length / (ended - began)


def measure(folder: Path, sizes: Sequence[Size], device: str, **changes: Any) -> list[dict[str, Any]]:
    """Throughput of every size, by this project and, alone and where accelerate is there, by the Trainer.

    Args:
        folder: for model and task.
        sizes: what to train.
        device: ``cuda``, or ``cpu`` to see that this runs.
        changes: to BERT-base's config.
    """
    write_model(folder / "model", **changes)
    vocabulary = BertConfig(**changes).vocab_size
    rows = []
    for size in sizes:
        task = folder / f"{size.length}-{size.steps}.parquet"
        write_task(task, size.length, size.steps * BATCH, vocabulary)
        asked = {
            "model": str(folder / "model"),
            "encoded": str(task),
            "rows": list(range(size.steps * BATCH)),
            "evaluated": list(range(size.steps * BATCH, size.steps * BATCH + 8)),
            "seed": 1,
            "settings": SETTINGS | {"device": device, "precision": "bf16", "threads": 1, "epochs": 1, "outputs": 2},
        }
        row = {"length": size.length, "processes": size.processes, "ours": throughput("ours", size, asked)}
        if find_spec("accelerate"):
            row["trainer"] = throughput("peer", size, asked | {"way": "dynamic", "precision": "bf16"})
        rows.append(row)
    return rows


def starts(folder: Path, device: str, processes: int) -> dict[str, float]:
    """Seconds of short trainings side by side, by their starts; the first of each way does not count.

    Args:
        folder: with ``model``, and a task of one batch in ``short.parquet``.
        device: ``cuda`` or ``cpu``.
        processes: trainings at a time.
    """
    set_environment(ROOT / "workflow")  # this process stands for Snakemake: its server ends with it
    write_json(folder / "subset.json", {"rows": list(range(BATCH))})
    settings = SETTINGS | {"device": device, "precision": "bf16", "threads": 1, "outputs": 2}
    settings["evaluate"] = {"validation": 0, "test": 8}

    def train(chosen: dict[str, str], number: int) -> None:
        out = folder / str(number)
        command = job_command(
            "training.run:train_run", config=folder / "model/config.json", weights=folder / "model/model.safetensors",
            shape=folder / "model/shape.json", encoded=folder / "short.parquet", subset=folder / "subset.json",
            run={"seed": number}, settings=settings, record=out / "record.json", predictions=out / "p.parquet",
        )  # fmt: skip
        out.mkdir()
        subprocess.run(command, env=environment() | chosen, check=True, capture_output=True)

    seconds = {}
    with ThreadPoolExecutor(processes) as pool:
        for base, (way, chosen) in enumerate(WAYS.items()):
            train(chosen, 1000 * base)
            began = time.perf_counter()
            list(pool.map(partial(train, chosen), range(1000 * base + 1, 1000 * base + 1 + processes)))
            seconds[way] = time.perf_counter() - began
    return seconds


def figure(project: Path, folder: Path, device: str) -> str:
    """How long a project's main figure takes on a device, in a sentence; the GPU's profile trains several at once.

    From nothing but what the project has downloaded, for a machine without a network.
    """
    copy_of(project, folder)
    if (project / "results/packages").exists():
        shutil.copytree(project / "results/packages", folder / "results/packages")
    began = time.perf_counter()
    target = "results/figures/phase_transition.pdf"
    try:
        make(folder, target, "--profile", "profiles/gpu", device=device, precision="auto")
    except subprocess.CalledProcessError:  # the rest of the table is not lost by it
        return "The main figure could not be made on this machine."
    return f"The main figure, through `profiles/gpu`: {time.perf_counter() - began:.0f} s."


def tests() -> str:
    """What the tests that compute on a GPU, where there is one, come to."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", TESTS]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    return f"`pytest {TESTS}`: {(done.stdout or done.stderr).strip().splitlines()[-1]}."


def per_token(shape: Shape, length: int) -> float:
    """Operations of a model for each token of a sentence."""
    return arithmetic(Ticket.full(shape.layers, shape.heads), shape, length, 1) / length


def main(device: str = "cuda", sizes: Sequence[Size] = SIZES, project: Path = ROOT, **changes: Any) -> None:
    """Measure, and write ``results/gpu``; for the arguments see :func:`measure` and :func:`figure`."""
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("benchmarks gpu: torch finds no CUDA device here")
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), sizes, device, **changes)
        shape = Shape.read(Path(folder) / "model/shape.json", 2)
        length = min(size.length for size in sizes)
        write_task(Path(folder) / "short.parquet", length, BATCH, BertConfig(**changes).vocab_size)
        most = max(size.processes for size in sizes)
        found = starts(Path(folder), device, most)
        (Path(folder) / "project").mkdir()
        own = f" {figure(project, Path(folder) / 'project', device)} {tests()}"
    rates = {name: gemm_rate(torch.bfloat16, 1, shapes, device) for name, shapes in (("step", SHAPES), ("peak", PEAK))}
    table = pd.DataFrame(rows)
    table["share of peak"] = [
        row["ours"] * per_token(shape, row["length"]) / rates["peak"]
        for row in rows  # of the products that are really done
    ]
    step, peak = (rate / 1e12 for rate in rates.values())
    text = (
        f"BERT-base with random weights, batches of {BATCH}, bf16: tokens per second of all processes together. Matrix"
        f" products in bf16 here: {step:.0f} TFLOP/s in a step's shapes, {peak:.0f} in large ones."
        f" {most} trainings of {SETTINGS['epochs']} steps side by side, starts and ends included: {found['warm']:.1f} s"
        f" with warm jobs, {found['cold']:.1f} s with a Python for each.{own}"
    )
    write("gpu", "python -m benchmarks gpu", text, table.round(3), {"gemm_flops": rates, "rows": rows, "starts": found})

"""How much disk the paper's grid takes, from the sizes of the smoke experiment's files and of synthetic predictions."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml

from supertickets.experiment.adaptation import single_starts
from supertickets.experiment.config import CATALOGUE, check_config
from supertickets.experiment.grid import grid_of, runs_of
from supertickets.training.run import write_predictions

from .data import ROOT, environment
from .results import write

SMOKE, PAPER = ROOT / "configs/smoke.yaml", ROOT / "configs/paper.yaml"
#: Bytes of the float32 weights of BERT, without heads: base and large (model.safetensors on the hub).
WEIGHTS = {"bert-base": 440e6, "bert-large": 1340e6}


def taken(paths: Iterable[Path]) -> int:
    """Bytes that files take on the disk, whole blocks."""
    return sum(path.stat().st_blocks * 512 for path in paths if path.is_file())


def run_smoke(folder: Path) -> Path:
    """The smoke experiment's results, made anew."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2"]
    command += ["--configfile", str(SMOKE)]
    subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True)
    return folder / "results"


def per_run(results: Path) -> dict[str, float]:
    """Bytes and files of a full model and of a ticket, predictions and importance left out, and of importance."""
    tickets, full = list(results.glob("runs/*/*/*/*/*-0.*")), list(results.glob("runs/*/*/*/*/full"))
    drawn = [path for path in results.glob("runs/*/*/*/*/tickets/*") if path.is_file()]
    found = {}
    for name, folders in (("ticket", tickets), ("full", full)):
        found[name] = mean(
            taken(path for path in folder.iterdir() if "predictions" not in path.name) for folder in folders
        )
    found["ticket"] += taken(drawn) / len(tickets)
    found["ticket_files"] = mean(len(list(folder.iterdir())) for folder in tickets) + len(drawn) / len(tickets)
    scored = list(results.glob("runs/*/*/*/*/importance"))
    return found | {"importance": mean(taken(folder.iterdir()) for folder in scored)}


def predictions(folder: Path, examples: int, outputs: int) -> int:
    """Bytes of predictions of so many examples with random logits."""
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {"id": [str(index) for index in range(examples)], "split": ["validation"] * examples}
    columns |= {"label": random.integers(0, max(outputs, 2), examples).astype(np.float32)}
    columns["logits"] = pa.array(list(random.normal(size=(examples, outputs)).astype(np.float32)))
    write_predictions(folder / "predictions.parquet", pa.table(columns))
    return taken([folder / "predictions.parquet"])


def main() -> None:
    """Measure, and write ``results/disk``."""
    tasks = yaml.safe_load(CATALOGUE.read_text())["tasks"]
    config = check_config({**yaml.safe_load(PAPER.read_text())})
    runs = list(runs_of(grid_of(config)))
    with tempfile.TemporaryDirectory() as folder:
        sizes = per_run(run_smoke(Path(folder)))
        predicted = {}
        for task in config["tasks"]:
            entry = tasks[task]
            examples = sum(entry["sizes"][part] for part in ("validation", "test"))
            predicted[task] = predictions(Path(folder), examples, len(entry.get("labels", [0])))
    full = [run for run in runs if run["kind"] == "full"]
    small = sum(sizes["full" if run["kind"] == "full" else "ticket"] for run in runs) + len(full) * sizes["importance"]
    alone = {(task, mode) for task, mode, _ in single_starts(config)}
    kept = [*config["multi_task"]["modes"], *alone]
    encoders = [model for model in config["models"] for _ in kept for _ in config["seeds"]]
    rows = {
        f"records, logs, tickets and importance of {len(runs):,} trainings": small,
        "their predictions": sum(predicted[run["task"]] for run in runs),
        "both encoders, as downloaded and in the form that is read": 2 * sum(WEIGHTS.values()),
        f"{len(encoders)} multi-task encoders, which are kept": sum(WEIGHTS[model] for model in encoders),
    }
    table = pd.DataFrame([{"what": what, "GB": size / 1e9} for what, size in rows.items()])
    flight, all_kept = 7 * WEIGHTS["bert-large"] / 1e9, sum(WEIGHTS[run["model"]] for run in runs) / 1e12
    text = (
        "What the paper's grid (`configs/paper.yaml`) leaves on the disk, estimated from files of the smoke experiment "
        f"(of its runs {sizes['ticket'] / 1e3:.0f} kB in {sizes['ticket_files']:.0f} files for a ticket and "
        f"{(sizes['full'] + sizes['importance']) / 1e3:.0f} kB for a full model with its importance, in whole blocks) "
        "and from predictions of as many examples as the tasks have, with random logits. Besides, a training in flight "
        "holds up to seven times its weights until it ends (two checkpoints while one replaces the other, and what it "
        f"starts from): {flight:.1f} GB for BERT-large. With `keep_weights` every run keeps its own, {all_kept:.1f} TB "
        "at most. Examples and their encodings are left out."
    )
    write("disk", "python -m benchmarks disk", text, table.round(2), {**sizes, **predicted, **rows})


if __name__ == "__main__":
    main()

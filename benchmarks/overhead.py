"""What a training costs besides training: from its process's start to the first step, and from the last to exit."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml

from supertickets.experiment.config import check_config
from supertickets.experiment.settings import training_of
from supertickets.files import canonical_json, read_json

from .data import MOVIE, Place, environment, make
from .results import spread, write

REPEATS = 7


def main(place: Place = MOVIE) -> None:
    """Measure, and write ``results/overhead``: a run of a project's config, as its rule starts it."""
    (task,) = place.tasks()
    config = check_config(yaml.safe_load((place.project / "config.yaml").read_text()))
    subset = f"results/subsets/{task.name}/n{config['train_sizes'][0]}/seed1.json"
    make(place.project, subset)
    settings = training_of(config, place.model, task.name)
    found: dict[str, list[float]] = {"process": [], "train": [], "predict": [], "gigabytes": []}
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.json"
        arguments = {
            "config": task.model / "config.json",
            "weights": task.model / "model.safetensors",
            "shape": task.model / "shape.json",
            "encoded": task.encoded,
            "subset": place.project / subset,
            "run": json.dumps({"model": place.model, "seed": 1}),
            "settings": canonical_json(settings),
            "record": record,
            "predictions": Path(folder) / "predictions.parquet",
        }
        options = [text for name, value in arguments.items() for text in (f"--{name}", str(value))]
        command = [sys.executable, "-P", "-m", "supertickets", "training.run:train_run", *options]
        for _ in range(REPEATS):
            began = time.perf_counter()
            subprocess.run(command, env=environment(), check=True, capture_output=True)
            found["process"].append(time.perf_counter() - began)
            content = read_json(record)
            found["train"].append(content["seconds"]["train"])
            found["predict"].append(content["seconds"]["predict"])
            found["gigabytes"].append(content["memory_bytes"]["resident"] / 1e9)
    rest = [whole - train - predict for whole, train, predict in zip(*list(found.values())[:3], strict=True)]
    names = {
        "process": "whole process, s",
        "train": "training, s",
        "predict": "predicting, s",
        "gigabytes": "peak memory, GB",
    }
    rows = [{"what": name, "median (range)": spread(found[key])} for key, name in names.items()]
    rows.append({"what": "everything else, s", "median (range)": spread(rest)})
    text = f"A full model of the default on `{task.name}`, {settings['threads']} thread, {REPEATS} repeats."
    write("overhead", "python -m benchmarks overhead", text, pd.DataFrame(rows), found | {"overhead": rest})

"""What a training costs besides training, warm and cold: from its call to the first step, and from the last."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml

from supertickets.experiment.config import check_config
from supertickets.experiment.settings import training_of
from supertickets.files import read_json
from supertickets.jobs.environment import set_environment
from supertickets.jobs.warm import COLD

from .children import job_command
from .data import MOVIE, ROOT, Place, environment, make
from .machine import PRECISION, SUFFIX
from .results import spread, write

REPEATS = 7
WAYS = {"warm": {}, "cold": {COLD: "1"}}


def main(place: Place = MOVIE) -> None:
    """Measure, and write ``results/overhead``: a run of a project's config, as its rule starts it."""
    (task,) = place.tasks()
    config = check_config(yaml.safe_load((place.project / "config.yaml").read_text()))
    subset = f"results/subsets/{task.name}/n{config['train_sizes'][0]}/seed1.json"
    make(place.project, subset)
    settings = training_of(config, place.model, task.name) | {"precision": PRECISION}
    names = ("process", "train", "predict", "gigabytes", "rest")
    found: dict[str, dict[str, list[float]]] = {way: {name: [] for name in names} for way in WAYS}
    set_environment(ROOT / "workflow")  # this process stands for Snakemake: its server ends with it
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.json"
        command = job_command(
            "training.run:train_run",
            config=task.model / "config.json",
            weights=task.model / "model.safetensors",
            shape=task.model / "shape.json",
            encoded=task.encoded,
            subset=place.project / subset,
            run={"model": place.model, "seed": 1},
            settings=settings,
            record=record,
            predictions=Path(folder) / "predictions.parquet",
        )
        subprocess.run(command, env=environment(), check=True, capture_output=True)  # the first has the server import
        for way, chosen in [*WAYS.items()] * REPEATS:
            shutil.rmtree(folder)  # a training that is finished would be taken over
            record.parent.mkdir()
            began = time.perf_counter()
            subprocess.run(command, env=environment() | chosen, check=True, capture_output=True)
            seconds = time.perf_counter() - began
            content = read_json(record)
            train, predict = content["seconds"]["train"], content["seconds"]["predict"]
            memory = content["memory_bytes"]["resident"] / 1e9
            values = (seconds, train, predict, memory, seconds - train - predict)
            for name, value in zip(names, values, strict=True):
                found[way][name].append(value)
    titles = ("whole job, s", "training, s", "predicting, s", "peak memory, GB", "everything else, s")
    rows = [
        {"what": title, **{f"{way}, median (range)": spread(found[way][name]) for way in WAYS}}
        for name, title in zip(names, titles, strict=True)
    ]
    text = (
        f"A full model of the default on `{task.name}`, {settings['threads']} thread, {REPEATS} repeats. Warm: forked"
        " by a server that has imported everything. Cold: a Python of its own."
    )
    write(f"overhead{SUFFIX}", "python -m benchmarks overhead", text, pd.DataFrame(rows), found)

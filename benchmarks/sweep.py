"""The main figure of the default, everything included, against the same grid done the published way."""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from supertickets.encoder.encoded import Encoded
from supertickets.encoder.ticket import Shape, Ticket
from supertickets.experiment.config import check_config
from supertickets.experiment.settings import training_of
from supertickets.files import read_json, write_json
from supertickets.tickets.importance_table import read_importance
from supertickets.tickets.prune import draw

from .children import run, score
from .data import ROOT, copy_of, make
from .machine import SUFFIX
from .results import write

#: What this process may compute on.
CORES = len(os.sched_getaffinity(0))


def ours(project: Path, folder: Path) -> tuple[float, pd.Series]:
    """Wall time of the figure in a fresh copy of the project, and mean accuracies by task and ratio."""
    copy_of(project, folder)
    began = time.perf_counter()
    make(folder, "results/figures/phase_transition.pdf")
    seconds = time.perf_counter() - began
    scores = pd.concat(map(pd.read_parquet, (folder / "results/scores").rglob("*.parquet")))
    right = (
        scores.assign(right=scores["value"] * scores["examples"])
        .groupby(["task", "ratio"])[["right", "examples"]]
        .sum()
    )
    return seconds, right["right"] / right["examples"]


def request(config: dict[str, Any], made: Path, task: str, seed: int) -> dict[str, Any]:
    """A run of a config, as it is asked of a peer."""
    model, size = config["models"][0], config["train_sizes"][0]
    encoded = made / f"encoded/{model}/{task}.parquet"
    data = Encoded.read(encoded)
    settings = training_of(config, model, task)
    return {
        "model": str(made / f"pretrained/{model}"),
        "encoded": str(encoded),
        "rows": read_json(made / f"subsets/{task}/n{size}/seed{seed}.json")["rows"],
        "evaluated": np.concatenate(list(data.evaluated(settings["evaluate"]).values())).tolist(),
        "seed": seed,
        "settings": settings | {"device": "cpu"},
        "way": "tuned",
        "precision": "fp32",
        "imports": ["datasets", "evaluate", "sklearn.metrics"],
    }


def full_and_masked(config: dict[str, Any], folder: Path, made: Path, task: str, seed: int) -> list[dict[str, Any]]:
    """Train the full model, score its units, and write the mask of every ratio.

    Returns:
        The full model's answer and then the requests of the tickets, each with its ratio.
    """
    asked = request(config, made, task, seed)
    place = folder / f"{task}-{seed}"
    answer = run("peer", asked | {"save": str(place / "model")})
    run("masks", asked | {"saved": str(place / "model"), "importance": str(place / "importance.csv")})
    shape = Shape.read(Path(asked["model"]) / "shape.json", 2)
    scores = read_importance(place / "importance.csv", "sensitivity", Ticket.full(shape.layers, shape.heads))
    requests = []
    for ratio in config["ratios"]:
        ticket = draw("winning", ratio, scores, "share", np.random.default_rng(0))
        write_json(place / f"{ratio}.json", ticket.as_json())
        requests.append({"ratio": ratio, "asked": asked | {"ticket": str(place / f"{ratio}.json")}})
    return [{"ratio": 0.0, "task": task, "score": score(answer)}, *requests]


def published(config: dict[str, Any], folder: Path, made: Path) -> tuple[float, pd.Series]:
    """Wall time of the published way, and mean accuracies by task and ratio.

    It fine-tunes, scores and masks, each in a process that imports everything: two at a time where the machine has two
    cores, as the workflow does. Downloads, tokenising, tables and the figure are left out, in favour of this way.

    Args:
        config: the checked config.
        folder: for models and masks.
        made: results of the workflow, for its encoded tasks and training subsets.
    """
    began = time.perf_counter()
    trials = [(task, seed) for seed in config["seeds"] for task in config["tasks"]]
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(CORES) as pool:
        drawn = {pool.submit(full_and_masked, config, folder, made, *trial): trial for trial in trials}
        tickets: dict[Future[dict[str, Any]], tuple[str, float]] = {}
        for done in as_completed(drawn):  # a trial's tickets do not wait for the other full models
            full, *requests = done.result()
            rows.append(full)
            tickets |= {pool.submit(run, "peer", each["asked"]): (full["task"], each["ratio"]) for each in requests}
        rows += [
            {"task": task, "ratio": ratio, "score": score(answer.result())} for answer, (task, ratio) in tickets.items()
        ]
    return time.perf_counter() - began, pd.DataFrame(rows).groupby(["task", "ratio"])["score"].mean()


def main(project: Path = ROOT) -> None:
    """Measure a project with its config, and write ``results/sweep``."""
    config = check_config(yaml.safe_load((project / "config.yaml").read_text()))
    with tempfile.TemporaryDirectory() as folder:
        mine, curve = ours(project, Path(folder))
        theirs, other = published(config, Path(folder) / "published", Path(folder) / "results")
    table = pd.DataFrame({"this project": curve, "published way": other}).round(1).reset_index()
    size = (
        f"{len(config['tasks'])} tasks, {len(config['seeds'])} seeds, the full model and {len(config['ratios'])} ratios"
    )
    text = (
        f"`phase_transition.pdf` of the default ({size}), from nothing: {mine:.0f} s. The same grid done the published"
        f" way, {CORES} processes of one thread at a time: {theirs:.0f} s, {theirs / mine:.2f} times as long."
        " Accuracy in percent, mean over seeds, validation and test sentences together:"
    )
    measured = {"seconds": {"ours": mine, "published": theirs}, "accuracy": table.to_dict("list")}
    write(f"sweep{SUFFIX}", "python -m benchmarks sweep", text, table, measured)

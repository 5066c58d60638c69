"""Records and predictions of runs that never were, and what is computed from them."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from supertickets.evaluation.aggregate import aggregate
from supertickets.evaluation.compare import compare_group
from supertickets.evaluation.contrast import contrast_group
from supertickets.evaluation.decompose import decompose_group
from supertickets.evaluation.judge import judge
from supertickets.evaluation.latency import variant_name
from supertickets.evaluation.metric import metric_of, predicted
from supertickets.evaluation.score import score_group
from supertickets.evaluation.select_ticket import select_ticket
from supertickets.experiment.grid import groups_of, runs_of, scoped
from supertickets.experiment.latency import LATENCY
from supertickets.experiment.paths import group_file, run_folder, ticket_file

GRID = {
    "models": ["minilm"],
    "tasks": ["movie", "rating", "dev_only"],
    "train_sizes": [64, 32],
    "seeds": [1, 2, 3],
    "kinds": ["winning", "losing", "random"],
    "draws": {"winning": 1, "losing": 1, "random": 2},
    "ratios": [0.1, 0.3, 0.5],
}
GLUE = {
    "models": ["bert-base"],
    "tasks": ["mnli", "qnli", "qqp", "sst2", "mrpc", "cola", "stsb", "rte"],
    "train_sizes": ["all"],
    "seeds": [1, 2, 3],
    "kinds": ["winning"],
    "draws": {"winning": 1},
    "ratios": [0.1, 0.3],
}
#: The split of half of the examples, where that is not test; some tasks have one split only.
FURTHER = {"mnli": "validation_mismatched", "dev_only": ""} | dict.fromkeys(GLUE["tasks"][1:], "")
METRICS = {"movie": "accuracy,matthews", "rating": "pearson,spearman", "dev_only": "accuracy"}
FIRST = {task: names.split(",")[0] for task, names in METRICS.items()}
GLUE_METRICS = dict.fromkeys(GLUE["tasks"], "accuracy") | dict.fromkeys(("qqp", "mrpc"), "accuracy,f1")
GLUE_METRICS |= {"cola": "matthews", "stsb": "pearson,spearman"}
#: Share of the predictions that are right, by ratio.
RIGHT = {0.0: 0.8, 0.1: 0.85, 0.3: 0.82, 0.5: 0.6}
PRUNING = {"like": "winning", "importance": "sensitivity", "weights": "fine_tuned", "units": "both", "steps": 1}
MAIN, KINDS, SIZES = (scoped(GRID, scope) for scope in ("main", "kinds", "sizes"))


def write_run(folder: Path, run: dict[str, Any], random: np.random.Generator) -> None:
    """Record, predictions and ticket of a made-up run."""
    where = folder / run_folder(run)
    where.mkdir(parents=True)
    settings = {"optimizer": "adamw", "learning_rate": 1e-4, "batch_size": 8, "epochs": 3, "warmup": 0.1}
    settings |= {"weight_decay": 0.01, "clip_norm": 1.0, "classifier_dropout": 0.1, "evaluate": {"test": 200}}
    settings |= {"eps": 1e-8, "bias_correction": True, "batches": "shuffled", "model_epoch": "last"}
    record = {
        "run": run,
        "heads_pruned": round(72 * run["ratio"]),
        "ffn_pruned": int(run["kind"] != "full"),
        "steps": 24,
        "parameters": 22_000_000,
        "precision": "fp32",
    }
    record |= {"weight_remaining": 1 - run["ratio"] / 2, "settings": settings}
    (where / "record.json").write_text(json.dumps(record))
    if run["kind"] != "full":
        path = folder / ticket_file(run)
        path.parent.mkdir(exist_ok=True)
        heads = [[0, 1, 2], [run["seed"] % 3]]
        path.write_text(json.dumps({"heads_per_layer": 3, "heads": heads, "ffn": [0] if run["seed"] == 1 else [0, 1]}))
    examples = np.random.default_rng(99)
    labels = np.tile([0.0, 1.0], 200)
    if run["task"] in ("rating", "stsb"):
        labels = examples.normal(size=400)
        logits = (labels + random.normal(size=400) * (1 + run["ratio"]))[:, None]
    else:
        hit = random.random(400) < RIGHT[run["ratio"]]
        logits = np.where((labels == 1) == hit, 1.0, -1.0)[:, None] * [-0.5, 0.5]
    further = FURTHER.get(run["task"], "test")
    table = {"id": [f"e{index}" for index in range(400)], "split": ["validation"] * 200 + [further] * 200}
    rows = pd.DataFrame(table | {"label": labels, "logits": list(logits)})
    rows[: 400 if further else 200].to_parquet(where / "predictions.parquet")


def write_runs(folder: Path, grid: dict[str, Any]) -> None:
    """All runs of a grid, scored, compared and judged."""
    random = np.random.default_rng(0)
    for run in runs_of(grid):
        write_run(folder, run, random)
    judge_all(folder, grid)


def judge_all(folder: Path, grid: dict[str, Any]) -> None:
    """Everything from runs to verdicts."""
    for group in groups_of(grid):
        name, metrics = group_file(group), (METRICS | GLUE_METRICS)[group["task"]]
        first = metrics.split(",")[0]
        score_group(folder, grid, group, metrics, folder / "scores" / f"{name}.parquet")
        compare_group(folder, grid, group, first, folder / "comparisons" / f"{name}.csv")
        if group["kind"] == "winning":
            select_ticket(folder, grid, group, first, folder / "selections" / f"{name}.csv")
            if len(grid["seeds"]) > 1:
                decompose_group(folder, grid, group, folder / "decompositions" / f"{name}.csv")
        else:
            contrast_group(folder, grid, group, first, folder / "contrasts" / f"{name}.csv")
    judge(folder, scoped(grid, "sizes"), dict.fromkeys(grid["tasks"], 1.0), folder / "verdicts.csv")
    aggregate(folder, grid, folder / "scores.parquet", folder / "scores.csv", folder / "comparisons.csv")


def outputs(results: Path, run: dict[str, Any], split: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and logits of a run, read anew."""
    table = pd.read_parquet(results / run_folder(run) / "predictions.parquet").query("split == @split")
    return table["label"].to_numpy(), np.stack(table["logits"].tolist())


def score_of(results: Path, metric: str, split: str, **run: Any) -> float:
    """A run's score, recomputed."""
    where = {"model": "minilm", "train_size": 64, "kind": "winning", "draw": 1} | run
    labels, logits = outputs(results, where, split)
    return 100 * metric_of(metric).plain(predicted(logits), labels)


def verdicts(results: Path) -> pd.DataFrame:
    table = pd.read_csv(results / "verdicts.csv", dtype={"train_size": str})
    return table[table["train_size"] == "64"].set_index("task")


def write_latency(
    folder: Path, grid: dict[str, Any], backends: tuple[str, ...] = ("torch",), rivals: dict[str, float] | None = None
) -> None:
    """Latency of a machine that never was: a ticket of ratio r takes 1 - r of the full model's time, within 10%.

    Rivals have shares of that time by their names, and int8 half of what float32 takes.
    """
    for group in groups_of(scoped(grid, "main")):
        where = {key: str(group[key]) for key in ("model", "task", "train_size")}
        rows = []
        for backend, threads, count, tokens in product(backends, (1, 4), (1, 32), (32, 128)):
            own = [(variant_name(group["model"], ratio), ratio, 2, 1 - ratio) for ratio in (0.0, *grid["ratios"])]
            others = [(rival, np.nan, np.nan, share) for rival, share in (rivals or {}).items()]
            for variant, ratio, seed, share in (*own, *others):
                time, speedup = count * tokens * share / threads / (1 + (backend == "int8")), 1 / share
                sizes = {"weight_remaining": 1 - ratio / 2, "parameters": 1000, "bytes": 4000}
                sizes |= {"multiply_adds": 10**6 * tokens * share}
                rows.append({
                    **where, "variant": variant, "ratio": ratio, "seed": seed, **sizes,
                    "backend": backend, "device": "cpu", "threads": threads, "batch_size": count, "length": tokens,
                    "rounds": 30, "milliseconds": time, "milliseconds_low": 0.9 * time, "milliseconds_high": 1.1 * time,
                    "speedup": speedup, "speedup_low": 0.9 * speedup, "speedup_high": 1.1 * speedup,
                })  # fmt: skip
        path = folder / f"{LATENCY.format(**where)}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(path, index=False)
        machine = {"processor": "A processor", "cores": 4, "precision": "float32", "versions": {"torch": "2.13.0"}}
        path.with_suffix(".json").write_text(json.dumps(machine))


def make_results(folder: Path) -> Path:
    """Runs with made-up predictions, scored, compared and judged, and made-up latency."""
    write_runs(folder, GRID)
    write_latency(folder, GRID)
    for task in GRID["tasks"]:
        examples = pd.DataFrame({"split": ["train"] * 6 + ["validation"] * 2, "label": [0.0, 1.0, 1.0, 1.0] * 2})
        (folder / "tasks").mkdir(exist_ok=True)
        written = pa.Table.from_pandas(examples).replace_schema_metadata({"dropped": "3"})
        pq.write_table(written, folder / "tasks" / f"{task}.parquet")
    return folder

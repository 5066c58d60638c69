"""Inputs, options and captions of figures, tables and pages.

A figure is drawn by ``report/figures/{name}.py``, function ``draw_{name}``; a table is written by
``report/tables/{name}.py``, function ``write_{name}``, and a page by ``report/pages/{name}.py``, function
``write_{name}``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from supertickets.errors import UserError
from supertickets.experiment.adaptation import (
    adaptation_name,
    importance_file,
    shows_adaptation,
    single_starts,
    starts_of,
)
from supertickets.experiment.grid import grid_of, groups_of, main_size, ratios_of, runs_of, scoped, sizes_of
from supertickets.experiment.int8 import asks_int8, int8_files
from supertickets.experiment.latency import axis_files, axis_of, latency_files
from supertickets.experiment.multi_task import require_mode, shared_tasks
from supertickets.experiment.paths import MULTI_TASK, RESULTS, SHAPE, group_files, run_files, shared_name, ticket_file
from supertickets.experiment.published import published_numbers, require_published
from supertickets.experiment.rivals import rivals_files, rivals_of
from supertickets.experiment.settings import margins_of, positive_of, pruning_of, teacher_of
from supertickets.experiment.worth import worth_options

Config = Mapping[str, Any]

#: The part of a config that has curves drawn against arithmetic.
ARITHMETIC = {"figures": {"x": "arithmetic"}}


@dataclass(frozen=True)
class Shown:
    """A figure, table or page.

    Attributes:
        scope: the part of the grid that it shows (:func:`~supertickets.experiment.grid.scoped`), or ``multi_task``: the
            tasks of multi-task training.
        caption: what the report says of it.
        inputs: the files that it is made from.
        options: further options of its function, by name.
        possible: whether the experiment has what it shows.
        label: its name in the report's menu; empty for its own name.
    """

    scope: str
    caption: str
    inputs: Callable[[Config], list[str]]
    options: Callable[[Config], dict[str, Any]] = field(default=lambda config: {})
    possible: Callable[[Config], bool] = field(default=lambda config: True)
    label: str = ""

    @property
    def category(self) -> str:
        """The part of the report that a figure or table stands in."""
        return "Multi-task" if self.scope == "multi_task" else "Single task"


def shown_grid(config: Config, scope: str) -> dict[str, Any]:
    """The part of the grid that a figure, table or page shows."""
    if scope == "multi_task":
        return {**scoped(grid_of(config), "main"), "tasks": shared_tasks(config)}
    return scoped(grid_of(config), scope)


def files(config: Config, scope: str, *folders: str) -> list[str]:
    """What was computed from the groups of a part of the grid, in folders of the results folder."""
    groups = groups_of(scoped(grid_of(config), scope))
    return [path for folder in folders for path in group_files(folder, groups)]


def curves(scope: str) -> Callable[[Config], list[str]]:
    """Inputs of curves: scores of a part of the grid, and its super tickets with what they are compared with."""
    return lambda config: [
        *files(config, "sizes" if scope == "sizes" else "main", "selections", "comparisons"),
        *files(config, scope, "scores"),
    ]


def contrasts(config: Config, *kinds: str) -> list[str]:
    """Winning tickets against those of some other kinds, as far as the config has them; of each where none is named."""
    others = [kind for kind in config["kinds"] if kind != "winning" and kind in (kinds or config["kinds"])]
    groups = groups_of(scoped(grid_of(config), "kinds"))
    return group_files("contrasts", (group for group in groups if group["kind"] in others))


def required_contrasts(config: Config) -> list[str]:
    """Winning tickets against those of every other kind.

    Raises:
        UserError: the config has no other kind.
    """
    if not (found := contrasts(config)):
        raise UserError(f"kinds is {config['kinds']}: contrasts need another kind beside winning, such as random")
    return found


def tickets(config: Config) -> list[str]:
    """Super tickets at the main size, and all winning tickets there."""
    runs = (run for run in runs_of(scoped(grid_of(config), "main")) if run["kind"] != "full")
    return [*files(config, "main", "selections"), *(f"{RESULTS}/{ticket_file(run)}" for run in runs)]


def shared_tickets(config: Config) -> list[str]:
    """The super tickets that the tasks of multi-task training have."""
    training = {"shared": shared_name(shared_tasks(config)), "mode": require_mode(config, "super")}
    return [
        f"{RESULTS}/{MULTI_TASK.format(**training, model=model, seed=seed)}/tickets.json"
        for model, seed in product(config["models"], config["seeds"])
    ]


def importance(config: Config, tasks: Iterable[str]) -> list[str]:
    """Importance of the units for some tasks at the main size, and the encoders' dimensions."""
    size = main_size(config["train_sizes"])
    trials = product(config["models"], config["seeds"], tasks)
    keys = ("model", "seed", "task")
    scores = [importance_file(config, {**dict(zip(keys, trial, strict=True)), "train_size": size}) for trial in trials]
    return [*scores, *(f"{RESULTS}/{SHAPE.format(model=model)}" for model in config["models"])]


def full_records(config: Config) -> list[str]:
    """Records of all full models; where they are given, of the tickets of the first ratio too, which are trained."""
    grid = grid_of(config)
    first = {model: ratios_of(config["ratios"], model)[0] for model in grid.get("finetuned", [])}
    runs = (run for run in runs_of(scoped(grid, "sizes")) if run["ratio"] in (0.0, first.get(run["model"])))
    return [path for path in run_files(runs) if path.endswith(".json")]


def rivals(config: Config) -> dict[str, Any]:
    """The rivals of each model."""
    return {"rivals": {model: rivals_of(config, model) for model in config["models"]}}


def together(config: Config, *names: str) -> list[str]:
    """Files of each model beside its multi-task trainings."""
    folder = f"{RESULTS}/multi_task/{shared_name(shared_tasks(config))}"
    return [f"{folder}/{model}/{name}" for name in names for model in config["models"]]


def adapted(config: Config, *names: str) -> list[str]:
    """Files of each model beside its trainings on new tasks."""
    folder = f"{RESULTS}/adaptation/{adaptation_name(config)}"
    return [f"{folder}/{model}/{name}" for name in names for model in config["models"]]


def published(config: Config) -> list[str]:
    """Scores, super tickets and what they are compared with; an error where no published numbers are of these."""
    require_published(config)
    return files(config, "main", "selections", "comparisons", "scores")


def other_scores(config: Config) -> dict[str, str]:
    """Scores of multi-task training and of adaptation, where the config has them with and without tickets.

    Returns:
        By file the part that is reported.
    """
    found: dict[str, str] = {}
    if several_tasks(config) and {"full", "super"} <= {*config["multi_task"]["modes"]}:
        found |= dict.fromkeys(together(config, "scores.parquet"), "test")
    starts = {*single_starts(config), *(("", *start) for start in starts_of(config) if several_tasks(config))}
    with_both = [of for of, *start in starts if start == ["full", "full"] and (of, "super", "full") in starts]
    if config["adaptation"]["tasks"] and with_both:
        found |= dict.fromkeys(adapted(config, "scores.parquet"), config["adaptation"]["scored"])
    return found


def several_kinds(config: Config) -> bool:
    """Whether there are tickets of other kinds than winning."""
    return len(config["kinds"]) > 1


def several_sizes(config: Config) -> bool:
    """Whether some task is trained at several sizes."""
    pairs = product(config["models"], config["tasks"])
    return any(len(sizes_of(config["train_sizes"], *pair)) > 1 for pair in pairs)


def several_tasks(config: Config) -> bool:
    """Whether there is multi-task training."""
    return len(shared_tasks(config)) > 1


def scored_importance(config: Config) -> dict[str, Any]:
    """Which importance winning tickets are cut by."""
    pruning = pruning_of(config, "winning")
    return {"importance": {"method": pruning["importance"], "weights": pruning["weights"]}}


def worth_files(config: Config) -> list[str]:
    """Super tickets, rivals and int8 in score and speed."""
    return [
        *files(config, "main", "selections", "comparisons"),
        *(rivals_files(config) if config["rivals"] else []),
        *int8_files(config),
        *latency_files(config),
    ]


def definitions(config: Config) -> dict[str, Any]:
    """What the table of tasks says of each."""
    keys = ("type", "labels", "metrics")
    found = {}
    for task in config["tasks"]:
        entry = config["define"]["tasks"][task]
        named = [f"f1 of {positive_of(entry)}" if metric == "f1" else metric for metric in entry["metrics"]]
        found[task] = {key: entry[key] for key in keys if key in entry} | {"metrics": named}
    return {"definitions": found}


FIGURES = {
    "phase_transition": Shown(
        "main",
        "Score of the winning tickets against the share of weights that they keep; the dashed line is the full model. "
        "Mean over seeds and, of three or more, its 95% t interval, that of the full model as a band; the star is the "
        "ticket with the best mean validation score. Chance is the best score of one answer to all examples. In phase "
        "I no ticket loses more than the margin on average.",
        lambda config: [*curves("main")(config), *axis_files(config)],
        lambda config: {"margins": margins_of(config), "axis": axis_of(config)},
    ),
    "gain_curve": Shown(
        "main",
        "What the winning tickets gain over the full models of the same seeds, against the share of weights that they "
        "keep, with the 95% interval over seeds and examples. The shaded band is the margin, the loss that still "
        "counts as keeping the score; the star is the ticket with the best mean validation score.",
        lambda config: [*files(config, "main", "comparisons", "selections"), *axis_files(config)],
        lambda config: {"margins": margins_of(config), "axis": axis_of(config)},
    ),
    "speed": Shown(
        "main",
        "What the winning tickets gain over the full models of the same seeds, against how much faster they compute, "
        "with 95% intervals of both. The shaded band is the margin; the star is the ticket with the best mean "
        "validation score. Rivals (encoders with fewer layers, or smaller ones) and models in int8, if any, are "
        "points.",
        worth_files,
        lambda config: {"margins": margins_of(config), **rivals(config), "int8": int(asks_int8(config))},
    ),
    "bias_variance": Shown(
        "main",
        "Expected loss, squared bias and variance over training runs against the share of weights that is kept; "
        "loss = bias + variance.",
        lambda config: files(config, "main", "decompositions"),
        possible=lambda config: len(config["seeds"]) > 1,
    ),
    "single_task_gain": Shown(
        "main",
        "What the super ticket of each task gains over the full model, reported on the runs and examples that it was "
        "chosen on (as published, which flatters it) and on others; below, what it weighs.",
        lambda config: files(config, "main", "selections"),
    ),
    "rivals": Shown(
        "main",
        "What winning tickets and rivals (encoders with fewer layers, or smaller ones) gain over the full models of "
        "the same seeds, against their share of the model's weight.",
        lambda config: [*files(config, "main", "comparisons", "selections"), *rivals_files(config)],
        lambda config: {"margins": margins_of(config), **rivals(config)},
        lambda config: bool(config["rivals"]),
    ),
    "ticket_kinds": Shown(
        "kinds",
        "Score of several kinds of tickets against the share of weights that they keep. At each ratio winning, random "
        "and losing tickets prune the same numbers of heads and feed-forward blocks. Points of one ratio are set apart "
        "a little so that the intervals can be read. In phase I no winning ticket loses more than the margin on "
        "average; in phase III none is better than random tickets by more than that.",
        lambda config: [*curves("kinds")(config), *contrasts(config, "random")],
        lambda config: {"margins": margins_of(config)},
        several_kinds,
    ),
    "data_size": Shown(
        "sizes",
        "The phase transition with several numbers of training examples.",
        curves("sizes"),
        possible=several_sizes,
    ),
    "kinds_by_size": Shown(
        "all",
        "Score of several kinds of tickets against the share of weights that they keep, with several numbers of "
        "training examples. At each ratio winning, random and losing tickets prune the same numbers of units.",
        lambda config: [*files(config, "sizes", "selections", "comparisons"), *files(config, "all", "scores")],
        possible=lambda config: several_sizes(config) and len(config["kinds_at_other_sizes"]) > 1,
    ),
    "ticket_masks": Shown(
        "main",
        "The heads and feed-forward blocks that the super tickets of each task keep, as the share of seeds.",
        tickets,
    ),
    "importance": Shown(
        "main",
        "How much each attention head and feed-forward block matters to each task, mean over seeds. Scores are "
        "normalized over the heads of a layer, and over all blocks.",
        lambda config: importance(config, config["tasks"]),
        scored_importance,
    ),
    "tickets_sharing": Shown(
        "multi_task",
        "Which tasks hold each attention head and feed-forward block of the encoder that they share.",
        shared_tickets,
        possible=lambda config: several_tasks(config) and "super" in config["multi_task"]["modes"],
    ),
    "ticket_importance": Shown(
        "multi_task",
        "How much each attention head and feed-forward block matters to all tasks together, as the area of a pie, and "
        "to each of them, as slices.",
        lambda config: importance(config, shared_tasks(config)),
        scored_importance,
        several_tasks,
    ),
}

TABLES = {
    "single_task_dev": Shown(
        "sizes",
        "Full model and super ticket: chosen by other runs on other examples, and in three ways that flatter it.",
        lambda config: [f"{RESULTS}/verdicts.csv"],
    ),
    "seed_sensitivity": Shown(
        "sizes",
        "Spread over seeds of full models and super tickets.",
        lambda config: [
            f"{RESULTS}/verdicts.csv",
            *files(config, "sizes", "scores"),
            *other_scores(config),
            *(path.replace("scores.parquet", "comparisons.csv") for path in other_scores(config)),
        ],
        lambda config: {"others": other_scores(config)},
    ),
    "super_tickets": Shown(
        "sizes",
        "The super ticket of each task, where the curve peaks, down to which weight the score is kept, and a verdict.",
        lambda config: [f"{RESULTS}/verdicts.csv"],
    ),
    "power": Shown(
        "sizes",
        "The smallest difference that more seeds would find, and how many a margin needs.",
        lambda config: files(config, "sizes", "comparisons"),
        lambda config: {"margins": margins_of(config)},
        possible=lambda config: len(config["seeds"]) > 1,
    ),
    "phases": Shown(
        "kinds",
        "Down to which weight winning tickets are as good as the full model, and from which on no better than random "
        "ones; where they beat tickets of other kinds.",
        lambda config: [*files(config, "main", "comparisons"), *contrasts(config)],
        lambda config: {"margins": margins_of(config)},
        several_kinds,
    ),
    "contrasts": Shown(
        "kinds",
        "Winning tickets against those of every other kind, at every ratio.",
        lambda config: [*files(config, "main", "comparisons"), *required_contrasts(config)],
        possible=several_kinds,
    ),
    "rivals": Shown(
        "main",
        "Rivals (encoders with fewer layers, or smaller ones) against the full model and the super ticket.",
        rivals_files,
        rivals,
        lambda config: bool(config["rivals"]),
    ),
    "latency": Shown(
        "main",
        "How long the full model, the winning tickets and rivals take for a batch on this machine, and the speed-up.",
        latency_files,
        rivals,
    ),
    "worth": Shown(
        "main",
        "Whether pruning is worth it on each task: the super ticket, the lightest one that keeps the score, rivals and "
        "int8 against the full model, in score and in speed.",
        worth_files,
        worth_options,
    ),
    "tasks": Shown(
        "main",
        "Sizes, classes and metrics of the tasks.",
        lambda config: [
            *files(config, "main", "scores"),
            *(f"{RESULTS}/tasks/{task}.parquet" for task in config["tasks"]),
        ],
        definitions,
    ),
    "hyperparameters": Shown(
        "sizes",
        "Settings of the trainings, from the runs' records.",
        full_records,
        lambda config: {
            "max_length": config["max_length"],
            "pruning": {kind: pruning_of(config, kind) | teacher_of(config, kind) for kind in config["kinds"]},
        },
    ),
    "sweep": Shown(
        "all",
        "Every ratio, kind and size with its spread and its difference to the full model.",
        lambda config: [f"{RESULTS}/comparisons.csv", *files(config, "all", "scores")],
    ),
    "published": Shown(
        "main",
        "Scores beside the published ones.",
        published,
        lambda config: {"published": published_numbers(config, config["tasks"])},
        lambda config: bool(published_numbers(config, config["tasks"])),
    ),
    "multi_task_dev": Shown(
        "multi_task",
        "One encoder for all tasks, with and without tickets, beside one for each.",
        lambda config: together(config, "scores.parquet", "comparisons.csv"),
        lambda config: {
            "ratios": list(config["multi_task"]["ratios"]),
            "published": published_numbers(config, shared_tasks(config)),
        },
        lambda config: several_tasks(config) and "full" in config["multi_task"]["modes"],
    ),
    "domain_adaptation": Shown(
        "multi_task",
        "New tasks, trained from the pre-trained weights and from encoders of other tasks, with and without tickets.",
        lambda config: adapted(config, "scores.parquet", "comparisons.csv"),
        lambda config: {
            "shared": shared_tasks(config),
            "single": config["adaptation"]["from_single"],
            "scored": config["adaptation"]["scored"],
        },
        shows_adaptation,
    ),
}


def predictions(config: Config) -> list[str]:
    """Predictions of all winning tickets at the main size, and of their full models."""
    runs = runs_of(scoped(grid_of(config), "main"))
    return [path for path in run_files(runs) if path.endswith("predictions.parquet")]


#: Pages of a report. They need nothing that the main figure is not made from, and show latency where it is measured.
PAGES = {
    "start": Shown(
        "main",
        "The experiment, its verdicts and what to do next, in words.",
        lambda config: [*curves("main")(config), f"{RESULTS}/figures/phase_transition.png"],
        lambda config: {
            "margins": margins_of(config),
            **definitions(config),
            "caption": FIGURES["phase_transition"].caption,
            "kinds": config["kinds"],
        },
        label="at a glance",
    ),
    "explorer": Shown(
        "main",
        "Every training of the main figure to choose from, with the heads and blocks that its ticket keeps, and the "
        "examples that this one loses and wins against the full model of its seed. It needs no network.",
        lambda config: [
            *curves("main")(config),
            *tickets(config),
            *predictions(config),
            *(f"{RESULTS}/tasks/{task}.parquet" for task in config["tasks"]),
            *axis_files({**config, **ARITHMETIC}),
        ],
        lambda config: {
            "margins": margins_of(config),
            **definitions(config),
            "arithmetic": axis_of({**config, **ARITHMETIC}),
        },
    ),
}


def everything(config: Config) -> list[str]:
    """All figures, tables and pages that an experiment has the runs for."""
    kinds = (("figures", "pdf", FIGURES), ("tables", "csv", TABLES), ("pages", "html", PAGES))
    return [
        f"{RESULTS}/{folder}/{name}.{suffix}"
        for folder, suffix, rows in kinds
        for name, shown in rows.items()
        if shown.possible(config)
    ]


def report_files(config: Config) -> list[str]:
    """Files that a report shows: those that exist, in formats that browsers show."""
    forms = {".pdf": ".png", ".csv": ".html", ".html": ".html"}
    paths = (Path(path) for path in everything(config))
    return [str(path) for path in (path.with_suffix(forms[path.suffix]) for path in paths) if path.exists()]

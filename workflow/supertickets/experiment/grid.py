"""The runs of an experiment, and the groups in which they are judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

Run = dict[str, Any]
#: A number of training examples, a share of them, or ``all``.
Size = int | float | str

#: The way of training that others are compared with: one encoder for all tasks, no tickets.
BASELINE = "full"
#: Ways that others of a new task are compared with: alone from the pre-trained weights, and from an encoder of several
#: tasks without tickets.
PRETRAINED, NO_TICKETS = "pretrained", "full-full"

#: How super tickets are chosen unless a config says otherwise: a pruned one, the same ratio for all seeds.
SELECTION = {"candidates": "tickets", "ratio": "common"}

#: Names of a group of runs.
GROUP = ("model", "task", "train_size", "kind")


def ratios_of(ratios: Sequence[float] | Mapping[str, Sequence[float]], model: str) -> Sequence[float]:
    """The pruning ratios of a model: the same for all, or its own, with a default for the others.

    Args:
        ratios: of a config or grid.
        model: its name.
    """
    return ratios.get(model, ratios["default"]) if isinstance(ratios, Mapping) else ratios


def sizes_of(train_sizes: Sequence[Size] | Mapping[str, Sequence[Size]], model: str, task: str) -> Sequence[Size]:
    """The training sizes of a model on a task, the main one first.

    Args:
        train_sizes: of a config or grid: for all, or by task or model/task (which wins), with a default for the others.
        model, task: names.
    """
    if not isinstance(train_sizes, Mapping):
        return train_sizes
    return train_sizes.get(f"{model}/{task}", train_sizes.get(task, train_sizes["default"]))


def main_size(train_sizes: Sequence[Size] | Mapping[str, Sequence[Size]]) -> Size:
    """The first training size, which is that of all models and tasks."""
    return (train_sizes["default"] if isinstance(train_sizes, Mapping) else train_sizes)[0]


def grid_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Axes of the grid of a checked config: models, tasks, train_sizes, seeds, kinds, ratios, and draws by kind.

    One ticket of each kind is drawn at a ratio, ``random_draws`` of the random ones. Keys that only some grids have:

    - ``finetuned``: models whose full model is given.
    - ``other_kinds``: kinds at the other sizes.
    - ``selection``: differences from the default choice of super tickets.
    """
    axes = ("models", "tasks", "train_sizes", "seeds", "kinds", "ratios")
    alike = {kind: config["define"]["kinds"][kind]["like"] for kind in config["kinds"]}
    draws = {kind: config["random_draws"] if like.startswith("random") else 1 for kind, like in alike.items()}
    given = finetuned_models(config)
    grid = {axis: config[axis] for axis in axes} | {"draws": draws} | ({"finetuned": given} if given else {})
    others = config["kinds_at_other_sizes"]
    return grid | ({} if others == ["winning"] else {"other_kinds": others}) | selection_of(config)


def selection_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What is added to a grid where super tickets are not chosen as usual: ``selection``; nothing otherwise."""
    unusual = {key: value for key, value in config["selection"].items() if value != SELECTION[key]}
    return {"selection": unusual} if unusual else {}


def with_full(grid: Mapping[str, Any]) -> bool:
    """Whether the full model (ratio 0) can be chosen as a super ticket."""
    return bool(grid.get("selection", SELECTION).get("candidates") == "with_full")


def by_seed(grid: Mapping[str, Any]) -> bool:
    """Whether each seed has a super ticket of its own ratio."""
    return bool(grid.get("selection", SELECTION).get("ratio") == "by_seed")


def finetuned_models(config: Mapping[str, Any]) -> list[str]:
    """Models of an experiment whose full model is a fine-tuned one that the user gives."""
    models = config["define"]["models"]
    return [name for name in config["models"] if "finetuned" in models.get(name, {})]


def groups_of(grid: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All groups of a grid: model, task, train_size and kind.

    All kinds are trained at the first size, the main one; at every other one winning tickets, and those kinds that the
    grid has under ``other_kinds``.
    """
    groups = []
    for model, task in product(grid["models"], grid["tasks"]):
        for place, size in enumerate(sizes_of(grid["train_sizes"], model, task)):
            kinds = grid["kinds"] if place == 0 else grid.get("other_kinds", ["winning"])
            groups += [dict(zip(GROUP, (model, task, size, kind), strict=True)) for kind in kinds]
    return groups


def group_runs(grid: Mapping[str, Any], group: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The runs of a group: model, task, train_size, seed, kind, ratio and draw.

    Each seed's full model (ratio 0) belongs to the winning tickets, and comes first.
    """
    kind, ratios = group["kind"], ratios_of(grid["ratios"], group["model"])
    tickets = [(kind, ratio, draw) for draw in range(1, grid["draws"][kind] + 1) for ratio in ratios]
    if kind == "winning":
        tickets.insert(0, ("full", 0.0, 1))
    trial = {key: group[key] for key in ("model", "task", "train_size")}
    for seed, (name, ratio, draw) in product(grid["seeds"], tickets):
        yield {**trial, "seed": seed, "kind": name, "ratio": ratio, "draw": draw}


def runs_of(grid: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The runs of all groups."""
    for group in groups_of(grid):
        yield from group_runs(grid, group)


def multi_task_ways(
    grid: Mapping[str, Any], task: str, ratios: Sequence[float]
) -> tuple[dict[str, Any], dict[str, list[Run]]]:
    """How a task was trained alone (``single_full``, ``single_super``), with others by mode, and alone after that.

    Args:
        grid: what spans the trainings: ``shared`` (names the tasks that share an encoder), ``model``, ``train_size``,
            ``seeds``, ``modes``, and of these ``then_single``.
        task: its name.
        ratios: of its super ticket, of each seed.

    Returns:
        Model, task and train size, and by way the run of each seed.
    """
    trial = {"model": grid["model"], "task": task, "train_size": grid["train_size"]}
    full = {**trial, "kind": "full", "ratio": 0.0, "draw": 1}
    shared = {"shared": grid["shared"], "model": grid["model"]}
    named = {mode: {**shared, "mode": mode} for mode in grid["modes"]}
    named |= {f"{mode}_then_single": {**shared, **trial, "mode": mode, "ticket": "own"} for mode in grid["then_single"]}
    tickets = [{**full, "kind": "winning", "ratio": ratio} if ratio else full for ratio in ratios]
    single = {
        "single_full": [{**full, "seed": seed} for seed in grid["seeds"]],
        "single_super": [{**run, "seed": seed} for run, seed in zip(tickets, grid["seeds"], strict=True)],
    }
    return trial, single | _by_seed(named, grid["seeds"])


def adaptation_ways(grid: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, list[Run]]]]:
    """How each new task was trained at each size: from the pre-trained weights, and from encoders of other tasks.

    Args:
        grid: what spans the trainings: ``shared`` (names the tasks that share an encoder), ``model``, ``train_sizes``,
            ``seeds``, ``metrics`` by task, ``starts``, pairs of a multi-task encoder's mode and which ticket of it the
            new task has, and ``single_starts``, the same of an encoder of one task, with its name first.

    Yields:
        Model, task and train size, and by way the run of each seed.
    """
    for task, size in product(grid["metrics"], grid["train_sizes"]):
        trial = {"model": grid["model"], "task": task, "train_size": size}
        named = {PRETRAINED: {**trial, "kind": "full", "ratio": 0.0, "draw": 1}}
        starts = [(f"{mode}-{ticket}", grid["shared"], mode, ticket) for mode, ticket in grid["starts"]]
        starts += [(f"{of}:{mode}-{ticket}", of, mode, ticket) for of, mode, ticket in grid["single_starts"]]
        named |= {
            way: {"shared": shared, **trial, "mode": mode, "ticket": ticket} for way, shared, mode, ticket in starts
        }
        yield trial, _by_seed(named, grid["seeds"])


def source_of(way: str) -> str:
    """The single task whose encoder a way of training a new one continues from; empty for any other way."""
    return way.rpartition(":")[0]


def _by_seed(named: Mapping[str, Run], seeds: list[int]) -> dict[str, list[Run]]:
    return {way: [{**run, "seed": seed} for seed in seeds] for way, run in named.items()}


def separator_of(grid: Mapping[str, Any], task: str) -> str:
    """What ends the name of a document in a task's ids; empty where every example is a document of its own.

    Args:
        grid: of an experiment, with ``separators`` of tasks that have documents, if there are any.
        task: its name.
    """
    return grid.get("separators", {}).get(task, "")


def scoped(grid: Mapping[str, Any], scope: str) -> dict[str, Any]:
    """A part of a grid.

    Args:
        grid: of an experiment.
        scope: ``main`` (winning tickets at the main size), ``kinds`` (all kinds at the main size), ``sizes`` (winning
            tickets at all sizes) or ``all``.
    """
    part = {key: value for key, value in grid.items() if key != "other_kinds" or scope == "all"}
    if scope in ("main", "kinds"):
        part["train_sizes"] = [main_size(grid["train_sizes"])]
    if scope in ("main", "sizes"):
        part |= {"kinds": ["winning"], "draws": {"winning": grid["draws"]["winning"]}}
    return part

"""Checks that a schema cannot express: names that do not exist, settings and sizes that do not fit each other."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from supertickets.experiment.finetuned import wrong_finetuned
from supertickets.experiment.grid import main_size
from supertickets.experiment.missing_files import lacking
from supertickets.experiment.multi_task import OF_SINGLE_TASKS, shared_tasks
from supertickets.experiment.paths import shared_name
from supertickets.experiment.rivals import rivals_of, trained_models
from supertickets.experiment.settings import SHORT, TAUGHT, asked_of
from supertickets.experiment.task_files import inputs, is_local, is_there
from supertickets.experiment.task_sizes import known_sizes
from supertickets.files import unreadable

Entry = dict[str, Any]

#: The longest name of a folder, in characters.
LONGEST_NAME = 255

#: Endings of workbooks, archives and tables of other tools, which are not text.
NOT_READ = (".xlsx", ".xls", ".ods", ".gz", ".bz2", ".xz", ".zst", ".zip", ".tar", ".arrow", ".feather", ".pkl", ".npz")


def inconsistencies(config: Mapping[str, Any], regression_metrics: Collection[str]) -> Iterator[str]:
    """Names that do not exist, sizes beyond the data, ratios that share a path, and the like.

    Args:
        config: of an experiment, complete.
        regression_metrics: metrics of regressions; the others are of classifications.

    Yields:
        What is wrong: the key, its value, and what would be right.
    """
    yield from _unknown_names(config)
    yield from _wrong_rivals(config)
    yield from _wrong_overrides(config)
    yield from _wrong_multi_task(config)
    yield from _wrong_adaptation(config)
    yield from _wrong_kinds(config)
    yield from _wrong_search(config)
    yield from _wrong_epochs(config)
    yield from _wrong_margin(config)
    yield from _wrong_evaluate(config)
    if (backends := config["latency"]["backends"]) == ["int8"]:
        yield (
            f"latency.backends is {backends}: scores are computed without int8, so their speed is needed too: "
            "add torch or onnx"
        )
    yield from wrong_finetuned(config)
    yield from _wrong_ratios(config)
    yield from _wrong_sizes(config)
    yield from _wrong_definitions(config, regression_metrics)


def _unknown_names(config: Mapping[str, Any]) -> Iterator[str]:
    """Models, tasks and kinds that are not defined."""
    for key, kind in (("models", "models"), ("rivals", "models"), ("tasks", "tasks"), ("kinds", "kinds")):
        defined = config["define"][kind]
        for index, name in enumerate(config[key]):
            if name not in defined:
                yield f"{key}[{index}] is {name!r}: no such name; known are {', '.join(sorted(defined))}"


def _wrong_overrides(config: Mapping[str, Any]) -> Iterator[str]:
    """Keys of training_overrides that are not a model, task or size of the experiment, or are two of them."""
    tasks, models, sizes = _tasks_in_use(config), trained_models(config), _all_sizes(config)
    for name in config["training_overrides"]:
        own, size = _without_size(name)
        if size not in ("", *sizes) or (own and not _names(own, tasks, models) and own not in models):
            known = f"{', '.join(tasks)}; {', '.join(models)}"
            ending = f"; each may end in /n and a size, {', '.join(sizes)}, and so may nothing: n{sizes[0]}"
            yield f"training_overrides.{name}: not a task, a model or model/task of this experiment ({known}){ending}"
        elif own in tasks and own in models:
            yield f"training_overrides.{name}: a task and a model have this name; write model/{name} or {name}/task"


def _wrong_definitions(config: Mapping[str, Any], regression_metrics: Collection[str]) -> Iterator[str]:
    """Definitions of models and tasks of the experiment that name what is not there, or do not fit."""
    define = config["define"]
    for kind, name, entry in _in_use(config):
        origin = define["models"].get(entry["like"], {"like": ""}) if "like" in entry else {}
        if "like" in origin or "layers" in origin:
            known = ", ".join(sorted(name for name, model in define["models"].items() if "layers" not in model))
            yield f"define.models.{name}.like is {entry['like']!r}: name an encoder with all its layers, one of {known}"
        elif "package" in entry and entry["package"] not in define["packages"]:
            known = ", ".join(sorted(define["packages"]))
            yield f"define.{kind}.{name}.package is {entry['package']!r}: no such package; known are {known}"
        elif kind == "models" and "path" in entry and not is_there(Path(entry["path"]), Path.is_dir):
            yield f"define.models.{name}.path is {entry['path']!r}: no such folder"
        elif kind == "models" and "path" in entry and (problem := lacking(Path(entry["path"]))):
            yield f"define.models.{name}.path is {entry['path']!r}: {problem}"
        elif kind == "tasks":
            wrong = [f"define.tasks.{name}.{problem}" for problem in _wrong_task(entry, regression_metrics)]
            wrong = wrong or list(_unusable_files(config, name, entry))
            yield from wrong or _sizes_beyond(config, name, entry)


def _wrong_ratios(config: Mapping[str, Any]) -> Iterator[str]:
    """Ratios that share a path, or are of no model of the experiment."""
    given = config["ratios"]
    for name in given.keys() - {"default", *config["models"]} if isinstance(given, Mapping) else ():
        yield f"ratios.{name}: not a model of this experiment; known are default, {', '.join(config['models'])}"
    for key, ratios in given.items() if isinstance(given, Mapping) else [("", given)]:
        for index, ratio in enumerate(ratios):
            if ratio != round(ratio, 2):
                place = f"ratios.{key}[{index}]" if key else f"ratios[{index}]"
                yield f"{place} is {ratio}: a ratio has at most two decimals, which its files are named by"


def _wrong_sizes(config: Mapping[str, Any]) -> Iterator[str]:
    """Keys of train_sizes that are not a task or model/task, or whose first size differs; unknown kinds at sizes."""
    given = config["train_sizes"]
    for name, sizes in given.items() if isinstance(given, Mapping) else ():
        if name != "default" and not _names(name, config["tasks"], config["models"]):
            known = ", ".join(["default", *config["tasks"]])
            yield f"train_sizes.{name}: not a task or model/task of this experiment; known are {known}"
        elif sizes[0] != main_size(given):
            yield f"train_sizes.{name}[0] is {sizes[0]}: the main size is the same for all, {main_size(given)}"
    for index, kind in enumerate(config["kinds_at_other_sizes"]):
        if kind not in config["kinds"]:
            known = ", ".join(config["kinds"])
            yield f"kinds_at_other_sizes[{index}] is {kind!r}: it is not among kinds, which are {known}"


def _all_sizes(config: Mapping[str, Any]) -> list[str]:
    """All training sizes of an experiment, as paths have them."""
    given = config["train_sizes"]
    lists = [*(given.values() if isinstance(given, Mapping) else [given]), config["adaptation"]["train_sizes"]]
    return list(dict.fromkeys(str(size) for sizes in lists for size in sizes))


def _without_size(name: str) -> tuple[str, str]:
    """Split a key of training_overrides into its model or task and its size; either may be empty."""
    own, _, end = name.rpartition("/")
    return (own, end[1:]) if re.fullmatch(r"n(all|[0-9.]+)", end) else (name, "")


def _names(name: str, tasks: Collection[str], models: Collection[str]) -> bool:
    """Whether a name is that of a task, or is model/task."""
    model, slash, task = name.rpartition("/")
    return task in tasks and (model in models if slash else True)


def _wrong_rivals(config: Mapping[str, Any]) -> Iterator[str]:
    """Models that have no rival but themselves."""
    for model in config["models"] if config["rivals"] else ():
        if not rivals_of(config, model):
            yield f"rivals is {config['rivals']}: {model} cannot be its own rival; name another encoder"


def _wrong_multi_task(config: Mapping[str, Any]) -> Iterator[str]:
    """Tasks and ratios of multi-task training that do not exist, and settings that it does not have."""
    multi_task, known = config["multi_task"], config["define"]["tasks"]
    for index, name in enumerate(multi_task["tasks"]):
        if name not in known:
            yield f"multi_task.tasks[{index}] is {name!r}: no such name; known are {', '.join(sorted(known))}"
    tasks = shared_tasks(config)
    if (length := len(shared_name(tasks))) > LONGEST_NAME:
        yield (
            f"multi_task.tasks: the folder of these {len(tasks)} tasks would have a name of {length} characters;"
            f" {LONGEST_NAME} are possible: take fewer tasks, or shorter names"
        )
    for name, ratio in multi_task["ratios"].items():
        if not _names(name, tasks, config["models"]):
            yield f"multi_task.ratios.{name}: not a task or model/task of multi-task training ({', '.join(tasks)})"
        if ratio != round(ratio, 2):
            yield f"multi_task.ratios.{name} is {ratio}: a ratio has at most two decimals"
    for key in (key for key in multi_task["training"] if key in OF_SINGLE_TASKS):
        value = multi_task["training"][key]
        yield (
            f"multi_task.training.{key} is {value!r}: only single-task training has this key; "
            "write it under training_overrides"
        )


def _wrong_adaptation(config: Mapping[str, Any]) -> Iterator[str]:
    """New tasks that do not exist, or are not new."""
    known, shared = config["define"]["tasks"], shared_tasks(config)
    for index, name in enumerate(config["adaptation"]["tasks"]):
        if name not in known:
            yield f"adaptation.tasks[{index}] is {name!r}: no such name; known are {', '.join(sorted(known))}"
        elif name in shared:
            yield (
                f"adaptation.tasks[{index}] is {name!r}: the encoders are trained on it, so it is not new; leave it "
                "out here or in multi_task.tasks"
            )
    yield from _wrong_single_starts(config)


def _wrong_single_starts(config: Mapping[str, Any]) -> Iterator[str]:
    """Single tasks that new ones cannot continue from: none of the experiment's, new, or trained in another way."""
    new, known = config["adaptation"]["tasks"], [*config["tasks"], *config["multi_task"]["tasks"]]
    models = [model for model in config["models"] if model in config["define"]["models"]]
    if config["adaptation"]["from_single"] and {*config["adaptation"]["modes"]} == {"union"}:
        yield "adaptation.modes is ['union'], and encoders of from_single have none; add full or super"
    for index, name in enumerate(config["adaptation"]["from_single"]):
        key = f"adaptation.from_single[{index}] is {name!r}"
        if name not in known:
            yield f"{key}: not a task of this experiment; known are {', '.join(dict.fromkeys(known))}"
        elif name in new:
            yield f"{key}: it is a new task, too; remove it from one of the two"
        elif shared_tasks(config) == [name]:
            yield f"{key}: it is all that multi-task training has; write multi_task: false"
        elif any(config["search"][key] for key in SHORT):
            yield f"{key}, and search chooses the settings of its full model, which this does not read; leave one out"
        elif name not in config["define"]["tasks"]:
            continue  # which is said elsewhere
        elif any(asked_of(config, model, name)["model_epoch"] != "last" for model in models):
            yield f"{key}, and model_epoch chooses an epoch of its full model, which this does not read; leave one out"


def _wrong_margin(config: Mapping[str, Any]) -> Iterator[str]:
    """Keys of margin that are neither a task nor a first metric of the experiment."""
    if isinstance(config["margin"], Mapping):
        known = [config["define"]["tasks"][task] for task in config["tasks"] if task in config["define"]["tasks"]]
        names = {"default", *config["tasks"], *(task["metrics"][0] for task in known if task.get("metrics"))}
        for name in config["margin"].keys() - names:
            yield f"margin.{name}: not a task or its first metric; known are {', '.join(sorted(names))}"


def _wrong_evaluate(config: Mapping[str, Any]) -> Iterator[str]:
    """Keys of evaluate that are not a task of the experiment."""
    names = ["default", *_tasks_in_use(config)]
    for part, limits in config["evaluate"].items():
        for name in limits if isinstance(limits, Mapping) else ():
            if name not in names:
                yield f"evaluate.{part}.{name}: not a task of this experiment; known are {', '.join(names)}"


def _tasks_in_use(config: Mapping[str, Any]) -> list[str]:
    """All tasks of an experiment, new ones last."""
    return list(dict.fromkeys([*config["tasks"], *config["multi_task"]["tasks"], *config["adaptation"]["tasks"]]))


def _wrong_kinds(config: Mapping[str, Any]) -> Iterator[str]:
    """Kinds of tickets whose settings do not fit each other."""
    kinds = config["define"]["kinds"]
    for name, like in (("winning", "winning"), ("losing", "losing"), ("random", "random")):
        if kinds[name]["like"] != like:
            yield f"define.kinds.{name}.like is {kinds[name]['like']!r}: the name is taken; give yours another one"
    if "teacher" in kinds["winning"]:
        yield (
            "define.kinds.winning.teacher is 'full': super tickets, exports and multi-task training have no teacher; "
            "give a kind of another name one, and compare it with winning"
        )
    for name, settings in kinds.items():
        for key in settings.keys() & TAUGHT.keys() if "teacher" not in settings else ():
            value = settings[key]
            yield f"define.kinds.{name}.{key} is {value}: only kinds with a teacher have this key; add teacher: full"
    for kind in config["kinds"]:
        if kind not in kinds:
            continue
        steps = kinds[kind].get("steps", config["pruning"]["steps"])
        if steps == 1:
            continue
        like, weights = kinds[kind]["like"], kinds[kind].get("weights", config["pruning"]["weights"])
        if like == "winning" and weights != "fine_tuned":
            yield (
                f"kind {kind} has steps {steps} and weights {weights!r}: each step scores the weights that the one "
                "before has trained; write fine_tuned, or steps: 1"
            )
        elif like == "random_layerwise" or (like != "winning" and "steps" in kinds[kind]):
            yield f"kind {kind} has steps {steps}: only kinds like winning are pruned in steps; write steps: 1 for it"


def _wrong_search(config: Mapping[str, Any]) -> Iterator[str]:
    """A search for a setting that is given, or over more seeds than there are."""
    search = config["search"]
    for name, settings in config["training_overrides"].items():
        for key in (key for key in settings if search.get(key)):
            yield f"training_overrides.{name}.{key} is {settings[key]!r}: search chooses {key}; leave one of them out"
    if search["seeds"] > len(config["seeds"]):
        yield f"search.seeds is {search['seeds']}: there are {len(config['seeds'])} seeds; give at most that"


def _wrong_epochs(config: Mapping[str, Any]) -> Iterator[str]:
    """Epochs to be scored that are beyond the end of training."""
    tasks = [task for task in _tasks_in_use(config) if task in config["define"]["tasks"]]
    models = [model for model in trained_models(config) if model in config["define"]["models"]]
    for model, task in product(models, tasks):
        for size in dict.fromkeys(_train_sizes(config, task).values()):
            asked = asked_of(config, model, task, size)
            epochs = min(config["search"]["epochs"] or [asked["epochs"]])
            for key in ("model_epoch", "importance_epoch"):
                if isinstance(asked[key], int) and asked[key] > epochs:
                    what = f"{key} of {model}/{task} is {asked[key]}"
                    yield f"{what}: it is trained for {epochs} epochs; give at most that"
                    return


def _in_use(config: Mapping[str, Any]) -> Iterator[tuple[str, str, Entry]]:
    """Kind, name and entry of every model and task of the experiment that is defined."""
    used = {"models": trained_models(config), "tasks": _tasks_in_use(config)}
    for kind, names in used.items():
        defined = config["define"][kind]
        yield from ((kind, name, defined[name]) for name in names if name in defined)


def _unusable_files(config: Mapping[str, Any], name: str, entry: Entry) -> Iterator[str]:
    """Local files of a task that do not exist, or are too large."""
    if not is_local(entry, config["glue"]):
        return
    key = f"define.tasks.{name}" if "glue" not in entry else f"glue is {config['glue']!r}: task {name}"
    for path in inputs(entry, config["glue"]):
        if not is_there(Path(path)):
            yield f"{key}: no such file: {path}"
        elif why := unreadable(Path(path)):
            yield f"{key}: {path} {why}"


def _wrong_task(entry: Entry, regression_metrics: Collection[str]) -> Iterator[str]:
    """Keys of a task's definition that do not fit each other."""
    if "hub" in entry and "columns" not in entry and "columns" not in entry["hub"]:
        yield "columns is missing: the dataset's columns of text and target"
    paired = "text_pair" in entry.get("glue", {}).get("columns", {})
    for key, reading in _readings(entry):
        if key.startswith("glue.parts.") and ("text_pair" in reading["columns"]) != paired:
            yield f"{key}columns is {reading['columns']}: text_pair is given for all parts or for none"
        yield from (f"{key}{problem}" for problem in _wrong_columns(reading["columns"], reading.get("fields")))
    fields = entry.get("fields")
    paths = [entry["path"]] if "path" in entry else entry.get("files", {}).values()
    key = "path" if "path" in entry else "files"
    for path in paths:
        if path.lower().endswith(".json"):
            yield f"{key} is {path!r}: one JSON document is not read; write an object a line, in a .jsonl file"
        elif path.lower().endswith(NOT_READ):
            yield f"{key} is {path!r}: no such files are read; write .tsv, .csv, .jsonl or .parquet"
        elif fields is not None and path.lower().endswith((".jsonl", ".parquet")):
            yield f"fields is {fields}: {path} names its columns; leave fields out and give columns by name"
    first: dict[str, str] = {}
    for part, path in entry.get("files", {}).items():
        if (other := first.setdefault(os.path.realpath(path), part)) != part:
            yield f"files.{part} is {path!r}, which is {other} already; each part has examples of its own"
    if entry.get("split", {}).get("group_separator") and "id" not in entry.get("columns", {}):
        yield "split.group_separator needs columns.id, which names the documents"
    labels = entry.get("labels", [])
    for label in (label for label in labels if label != label.strip()):
        yield f"labels holds {label!r}: spaces around targets are not read; write {label.strip()!r}"
    for label in (label for label in entry.get("no_label", []) if label in labels):
        yield f"no_label holds {label!r}, which is one of labels: {labels}"
    named = entry.get("hub", {}).get("labels", labels)
    if len(named) != len(labels):
        yield f"hub.labels is {named}: {len(labels)} are needed, in the order of labels: {labels}"
    if entry["type"] == "regression":
        yield from (
            f"{key} is {entry[key]!r}: not of a regression"
            for key in ("labels", "threshold", "positive")
            if key in entry
        )
    elif "threshold" in entry and len(labels) != 2:
        yield f"labels is {labels}: a threshold makes two classes, so name two"
    if labels and "positive" in entry and (entry["positive"] not in labels or len(labels) != 2):
        yield f"positive is {entry['positive']!r}: write which of two labels f1 is of; labels is {labels}"
    for metric in entry["metrics"]:
        if (metric in regression_metrics) != (entry["type"] == "regression"):
            yield f"metrics holds {metric!r}, which is not a metric of {entry['type']}"
        elif metric == "f1" and len(labels) != 2:
            yield (
                f"metrics holds 'f1', which is of two classes; there are {len(labels)}: write macro_f1, the mean over "
                "classes, or weighted_f1, which weights them by their sizes"
            )


def _readings(entry: Entry) -> Iterator[tuple[str, Entry]]:
    """The mappings of a task's definition that name columns, with their paths in the definition."""
    places = {"": entry, "hub.": entry.get("hub", {}), "glue.": entry.get("glue", {})}
    places |= {f"glue.parts.{part}.": file for part, file in places["glue."].get("parts", {}).items()}
    for key, reading in places.items():
        if isinstance(reading, dict) and "columns" in reading:  # a part may be a file's name
            yield key, reading


def _wrong_columns(columns: Mapping[str, int | str], fields: int | None) -> Iterator[str]:
    """Columns that cannot be in a file with a header, or in one without a header and with this many fields."""
    read = [columns[field] for field in ("text", "text_pair", "target") if field in columns]
    numbers = [place for place in columns.values() if isinstance(place, int)]
    if len({*read}) < len(read):
        yield f"columns is {columns}: text, text_pair and target are columns of their own"
    elif len(numbers) == len(columns):
        if fields is None or not all(0 <= place < fields for place in numbers):
            yield f"columns is {columns}: numbers need fields, and are from 0 to fields - 1 (fields: {fields})"
    elif numbers:
        yield f"columns is {columns}: give all names (file with a header) or all numbers (without)"
    elif fields is not None:
        yield f"columns is {columns}: fields is of files without a header; leave it out, or give numbers"


def _sizes_beyond(config: Mapping[str, Any], task: str, entry: Entry) -> Iterator[str]:
    """Train sizes that a task does not have."""
    trained = _train_sizes(config, task)
    if not any(isinstance(size, int) for size in trained.values()):
        return  # nothing to compare with, so no need to read files
    sizes = known_sizes(config, entry)
    if sizes is None:
        return
    for key, size in trained.items():
        if size != "all" and size > sizes["train"]:  # a share is below 1
            most = sizes["train"]
            yield f"{key} is {size}: task {task} has {most} training examples; give at most that, or all"


def _train_sizes(config: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The sizes that a task is trained at, by their keys."""
    given = config["train_sizes"]
    lists = {"train_sizes": given}
    if isinstance(given, Mapping):
        names = [name for name in given if name.rpartition("/")[2] == task] or ["default"]
        lists = {f"train_sizes.{name}": given[name] for name in names}
    found = {f"{key}[{index}]": size for key, sizes in lists.items() for index, size in enumerate(sizes)}
    new = task in config["adaptation"]["tasks"]
    if task not in config["tasks"]:  # trained at the main size, with other tasks or in a search
        searched = any(isinstance(values, list) and values for values in config["search"].values())
        found = dict(list(found.items())[: int(not new or searched)])
    sizes = config["adaptation"]["train_sizes"] if new else []
    return found | {f"adaptation.train_sizes[{index}]": size for index, size in enumerate(sizes)}

"""Check a config and fill in its defaults, before anything runs.

Imported at every start of the workflow: standard library, jsonschema and yaml only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from .errors import UserError
from .task_files import FURTHER, form_of, inputs, is_local, is_there, parts_of, resolved

WORKFLOW = Path(__file__).parents[1]
SCHEMA = WORKFLOW / "schemas" / "config.schema.yaml"
CATALOGUE = WORKFLOW / "catalogue.yaml"

Entry = dict[str, Any]

#: Keys and lists inside each other, and the largest whole number that a float is exact for.
DEEPEST, LARGEST = 20, 2**53

#: Problems that are told at once.
MOST = 50

#: Metrics of regressions; the others are of classifications.
REGRESSION_METRICS = ("pearson", "spearman")

#: JSON schema with whole numbers in the sense of YAML: 1.0 is none, as it would name other files than 1.
Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def check_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A complete config: defaults filled in, the catalogue merged into ``define``.

    Args:
        config: content of the config files, as Snakemake merges them.

    Raises:
        UserError: one line for every wrong key: where it is, its value, and what would be right.
    """
    _refuse(_unusable(config))
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    # Which keys go together is said of what has keys: anything else is already refused for its type.
    errors = (
        error
        for error in Validator(schema).iter_errors(config)
        if error.validator not in ("oneOf", "not") or isinstance(error.instance, Mapping)
    )
    found = map(_explain, errors)
    problems = [*dict.fromkeys(found), *_not_finite(config)]
    if not problems:
        config = _with_defaults(config, schema, schema)
        catalogue = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
        define = {part: catalogue[part] | config["define"][part] for part in catalogue}
        # A kind that changes some of a known kind's settings keeps the others; a new one is like the winning.
        kinds = {
            name: {"like": "winning", **catalogue["kinds"].get(name, {}), **how}
            for name, how in define["kinds"].items()
        }
        define["kinds"] = kinds
        config = {**config, "define": define}
        problems = list(_inconsistencies(config))
    _refuse(problems)
    return dict(config)


def _refuse(problems: Iterable[str]) -> None:
    lines = [f"  {problem}" for problem in islice(problems, MOST)]
    if lines:
        raise UserError("the config cannot be used:\n" + "\n".join(lines))


def _unusable(value: Any, path: tuple[Any, ...] = ()) -> Iterator[str]:
    """What YAML can say and nothing here can take: keys that are no text, whole numbers beyond all sizes, no end."""
    if len(path) > DEEPEST:
        yield f"{_key(path[:3])}: more than {DEEPEST} keys and lists inside each other"
    elif isinstance(value, int) and abs(value) > LARGEST:
        yield f"{_key(path)} is a number of {len(f'{value:x}')} hexadecimal digits: at most {LARGEST} is taken"
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _unusable(inner, (*path, index))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield f"{_key(path)} has the key {key!r:.80}, which is no text: quote it"
            yield from _unusable(inner, (*path, str(key)))


def without_defaults_of_other_tasks(config: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A config without the tasks of several-task training and adaptation that belong to other tasks than its own.

    ``config.yaml`` names both beside its own ``tasks``; a config laid over it that names other ``tasks`` means those.

    Args:
        config: all configs, merged.
        given: what was laid over ``config.yaml``.
    """
    if "tasks" not in given:
        return dict(config)
    parts = ("multi_task", "adaptation")
    # What is no mapping is refused later, with its key.
    known = {part: config[part] for part in parts if isinstance(config.get(part), Mapping)}
    told = {part for part in known if isinstance(given.get(part), Mapping) and "tasks" in given[part]}
    return {**config, **{part: {**known[part], "tasks": []} for part in known if part not in told}}


def _explain(error: jsonschema.ValidationError) -> str:
    """One line for one violation of the schema."""
    key = _key(error.absolute_path)
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = sorted(map(str, set(error.instance) - set(known)))
        return f"{key}: unknown key {', '.join(unknown)}; known keys are {', '.join(known)}"
    if error.validator == "contains":
        return f"{key} is {error.instance!r}: {error.schema['contains']['description']}"
    if error.validator == "required":
        return f"{key}: {error.message}"
    if error.validator in ("oneOf", "not") and "description" in error.schema:
        return f"{key} has the keys {', '.join(map(str, error.instance))}: {error.schema['description']}"
    if error.validator == "type" and error.validator_value == "object" and error.instance is None:
        return f"{key} is empty: give it keys, or leave it out"
    if error.validator == "type" and error.validator_value == "array":
        return f"{key} is {error.instance!r}: a list is needed, like [{error.instance}]"
    hint = f" ({misread})" if (misread := _misread(error.instance)) else ""
    described = error.schema.get("description", "") if isinstance(error.schema, Mapping) else ""
    return f"{key} is {error.instance!r}: {error.message}{hint}. {described}".strip()


def _misread(value: object) -> str:
    """What YAML or snakemake's command line takes for something else than it looks like, and how to write it."""
    if isinstance(value, bool):
        return "YAML takes yes, no, on and off for true and false; quote them"
    if not isinstance(value, str):
        return ""
    if value.lower() in ("true", "false"):
        return f"without quotes, and on the command line {value.capitalize()}"
    try:
        float(value)
    except ValueError:
        return ""
    if "e" in value.lower():
        return "YAML takes 1e-3 for text; write 1.0e-3"
    return "without quotes; --config takes numbers in lists for text, so lists belong into a file for --configfile"


def _not_finite(value: Any, path: tuple[Any, ...] = ()) -> Iterator[str]:
    """Numbers that no limit of the schema refuses: not-a-number and infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{_key(path)} is {value!r}: a finite number is needed"
    elif isinstance(value, Mapping | list):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _not_finite(inner, (*path, key))


def _key(path: Any) -> str:
    """``training.epochs`` or ``ratios[2]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "config"


def _with_defaults(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """A copy of ``value`` with the schema's defaults where keys are left out, at every depth."""
    if not isinstance(value, Mapping):
        return value
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", {})
    filled = dict(value)
    for key, inner in properties.items():
        if key not in filled and "default" in inner:
            filled[key] = inner["default"]
    for key, content in filled.items():
        inner = properties.get(key, others)
        filled[key] = _with_defaults(content, inner, root) if isinstance(inner, Mapping) else content
    return filled


def _inconsistencies(config: Mapping[str, Any]) -> Iterator[str]:
    """What a schema cannot say: names that do not exist, sizes beyond the data, ratios that share a path."""
    define = config["define"]
    for kind in ("models", "tasks", "kinds"):
        for index, name in enumerate(config[kind]):
            if name not in define[kind]:
                yield f"{kind}[{index}] is {name!r}: no such name; known are {', '.join(sorted(define[kind]))}"
    tasks = _tasks_in_use(config)
    for name in config["training_overrides"]:
        model, _, task = name.rpartition("/")
        if not (task in tasks and model in ("", *config["models"])) and name not in config["models"]:
            known = f"{', '.join(tasks)}; {', '.join(config['models'])}"
            yield f"training_overrides.{name}: not a task, a model or model/task of this experiment ({known})"
        elif name in tasks and name in config["models"]:
            yield f"training_overrides.{name}: a task and a model have this name; write model/{name} or {name}/task"
    yield from _wrong_multi_task(config)
    yield from _wrong_adaptation(config)
    yield from _wrong_kinds(config)
    yield from _wrong_search(config)
    for index, ratio in enumerate(config["ratios"]):
        if ratio != round(ratio, 2):
            yield f"ratios[{index}] is {ratio}: a ratio has at most two decimals, which its files are named by"
    for kind, name, entry in _in_use(config):
        if "package" in entry and entry["package"] not in define["packages"]:
            known = ", ".join(sorted(define["packages"]))
            yield f"define.{kind}.{name}.package is {entry['package']!r}: no such package; known are {known}"
        elif kind == "models" and "path" in entry and not is_there(Path(entry["path"]), Path.is_dir):
            yield f"define.models.{name}.path is {entry['path']!r}: no such folder"
        elif kind == "tasks":
            wrong = [f"define.tasks.{name}.{problem}" for problem in _wrong_task(entry)]
            wrong = wrong or list(_missing_files(config, name, entry))
            yield from wrong or _sizes_beyond(config, name, entry)


def _wrong_multi_task(config: Mapping[str, Any]) -> Iterator[str]:
    """Tasks and ratios of multi-task training that are not there."""
    joint, known = config["multi_task"], config["define"]["tasks"]
    for index, name in enumerate(joint["tasks"]):
        if name not in known:
            yield f"multi_task.tasks[{index}] is {name!r}: no such name; known are {', '.join(sorted(known))}"
    tasks = joint["tasks"] or config["tasks"]
    for name, ratio in joint["ratios"].items():
        model, _, task = name.rpartition("/")
        if task not in tasks or model not in ("", *config["models"]):
            yield f"multi_task.ratios.{name}: not a task or model/task of multi-task training ({', '.join(tasks)})"
        if ratio != round(ratio, 2):
            yield f"multi_task.ratios.{name} is {ratio}: a ratio has at most two decimals"


def _wrong_adaptation(config: Mapping[str, Any]) -> Iterator[str]:
    """New tasks that are not there, or not new."""
    known, joint = config["define"]["tasks"], config["multi_task"]["tasks"] or config["tasks"]
    for index, name in enumerate(config["adaptation"]["tasks"]):
        if name not in known:
            yield f"adaptation.tasks[{index}] is {name!r}: no such name; known are {', '.join(sorted(known))}"
        elif name in joint:
            yield (
                f"adaptation.tasks[{index}] is {name!r}: the encoders are trained on it, so it is no new one; leave it "
                "out here or in multi_task.tasks"
            )


def _tasks_in_use(config: Mapping[str, Any]) -> list[str]:
    """All tasks of an experiment, new ones last."""
    return list(dict.fromkeys([*config["tasks"], *config["multi_task"]["tasks"], *config["adaptation"]["tasks"]]))


def _wrong_kinds(config: Mapping[str, Any]) -> Iterator[str]:
    """Kinds of tickets whose settings do not fit each other."""
    kinds = config["define"]["kinds"]
    for name, like in (("winning", "winning"), ("losing", "losing"), ("random", "random")):
        if kinds[name]["like"] != like:
            yield f"define.kinds.{name}.like is {kinds[name]['like']!r}: the name is taken; give yours another one"
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
    """A search for what is given, or over seeds that there are not."""
    search = config["search"]
    for name, settings in config["training_overrides"].items():
        for key in (key for key in settings if search.get(key)):
            yield f"training_overrides.{name}.{key} is {settings[key]!r}: search chooses {key}; leave one of them out"
    if search["seeds"] > len(config["seeds"]):
        yield f"search.seeds is {search['seeds']}: there are {len(config['seeds'])} seeds; give at most that"


def _in_use(config: Mapping[str, Any]) -> Iterator[tuple[str, str, Entry]]:
    """Kind, name and entry of every model and task of the experiment that is defined."""
    used = {"models": config["models"], "tasks": _tasks_in_use(config)}
    for kind, names in used.items():
        defined = config["define"][kind]
        yield from ((kind, name, defined[name]) for name in names if name in defined)


def _missing_files(config: Mapping[str, Any], name: str, entry: Entry) -> Iterator[str]:
    """Local files of a task that do not exist."""
    if not is_local(entry, config["glue"]):
        return
    for path in inputs(entry, config["glue"]):
        if not is_there(Path(path)):
            key = f"define.tasks.{name}" if "glue" not in entry else f"glue is {config['glue']!r}: task {name}"
            yield f"{key}: no such file: {path}"


def _wrong_task(entry: Entry) -> Iterator[str]:
    """Keys of a task's definition that do not fit each other."""
    columns = entry.get("columns", {"text": "", "target": ""})
    places, fields = list(columns.values()), entry.get("fields")
    if "hub" in entry and "columns" not in entry and "columns" not in entry["hub"]:
        yield "columns is missing: the dataset's columns of text and target"
    elif all(isinstance(place, int) for place in places):
        if fields is None or not all(0 <= place < fields for place in places):
            yield f"columns is {columns}: numbers need fields, and lie from 0 to fields - 1 (fields: {fields})"
    elif not all(isinstance(place, str) for place in places):
        yield f"columns is {columns}: give all names (file with a header) or all numbers (without)"
    paths = [entry["path"]] if "path" in entry else entry.get("files", {}).values()
    for path in paths:
        if path.lower().endswith(".json"):
            key = "path" if "path" in entry else "files"
            yield f"{key} is {path!r}: one JSON document is not read; write an object a line, in a .jsonl file"
        elif fields is not None and path.lower().endswith((".jsonl", ".parquet")):
            yield f"fields is {fields}: {path} names its columns; leave fields out and give columns by name"
    if entry.get("split", {}).get("group_separator") and "id" not in columns:
        yield "split.group_separator needs columns.id, which names the documents"
    labels = entry.get("labels", [])
    for label in (label for label in labels if label != label.strip()):
        yield f"labels holds {label!r}: spaces around targets are not read; write {label.strip()!r}"
    named = entry.get("hub", {}).get("labels", labels)
    if len(named) != len(labels):
        yield f"hub.labels is {named}: {len(labels)} are needed, in the order of labels: {labels}"
    if entry["type"] == "regression":
        yield from (f"{key} is {entry[key]!r}: not of a regression" for key in ("labels", "threshold") if key in entry)
    elif "threshold" in entry and len(labels) != 2:
        yield f"labels is {labels}: a threshold makes two classes, so name two"
    for metric in entry["metrics"]:
        if (metric in REGRESSION_METRICS) != (entry["type"] == "regression"):
            yield f"metrics holds {metric!r}, which is not a metric of {entry['type']}"
        elif metric == "f1" and len(labels) != 2:
            yield f"metrics holds 'f1', which is of two classes; there are {len(labels)}"


def _sizes_beyond(config: Mapping[str, Any], task: str, entry: Entry) -> Iterator[str]:
    """Train and evaluation sizes that a task does not have."""
    trained = _train_sizes(config, task)
    asked = [*trained.values(), *config["evaluate"].values()]
    if not any(isinstance(size, int) for size in asked):
        return  # nothing to compare with, so no need to read files
    sizes = known_sizes(config, entry)
    if sizes is None:
        return
    for key, size in trained.items():
        if size != "all" and size > sizes["train"]:  # a share is below 1
            most = sizes["train"]
            yield f"{key} is {size}: task {task} has {most} training examples; give at most that, or all"
    for part, limit in config["evaluate"].items():
        spare = part == "test" and sizes[part] == 0  # then nothing is reported on it
        if limit != "all" and limit > sizes[part] and not spare:
            most = sizes[part]
            yield f"evaluate.{part} is {limit}: task {task} has {most} {part} examples; give at most that, or all"


def _train_sizes(config: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The sizes that a task is trained at, by their keys."""
    found = {f"train_sizes[{index}]": size for index, size in enumerate(config["train_sizes"])}
    new = task in config["adaptation"]["tasks"]
    if task not in config["tasks"]:  # trained at the main size, with other tasks or in a search
        searched = any(isinstance(values, list) and values for values in config["search"].values())
        found = dict(list(found.items())[: int(not new or searched)])
    sizes = config["adaptation"]["train_sizes"] if new else []
    return found | {f"adaptation.train_sizes[{index}]": size for index, size in enumerate(sizes)}


def known_sizes(config: Mapping[str, Any], entry: Entry) -> dict[str, int] | None:
    """The most examples that each part of a task can have; None where only reading its files would tell."""
    if not is_local(entry, config["glue"]):
        return entry.get("sizes")
    files = resolved(entry, config["glue"])["files"]
    if any(form_of(file["path"]) == "parquet" for file in files):
        return None
    lines = {file.get("part"): _lines(file) for file in files}
    return _dealt(entry, lines[None]) if None in lines else {"test": 0, **lines}


def _lines(file: Entry) -> int:
    """Lines of a file that may hold examples."""
    form = form_of(file["path"])
    if form == "csv":  # its lines may end in a carriage return alone
        lines = len(Path(file["path"]).read_bytes().splitlines())
    else:
        with Path(file["path"]).open("rb") as stream:
            lines = sum(1 for _ in stream)
    return lines - ("fields" not in file and form != "jsonl")


def _dealt(entry: Entry, examples: int) -> dict[str, int]:
    """The most examples that each part of one file can have."""
    if entry["split"]["group_separator"]:
        return dict.fromkeys(("train", "validation", "test"), examples)
    parts = {part: round(entry["split"][part] * examples) for part in ("validation", "test")}
    return {"train": examples - sum(parts.values()), **parts}


def pruning_of(config: Mapping[str, Any], kind: str) -> Entry:
    """How tickets of a kind are scored and cut: the settings of ``pruning``, and what the kind itself says.

    What a kind does not use is fixed, so that another setting of it changes nothing.
    """
    how = {**config["pruning"], **config["define"]["kinds"][kind]}
    if how["like"] != "winning":
        how["steps"] = 1
    if how["like"] in ("random", "random_with_replacement"):
        how |= {"importance": "random", "weights": "fine_tuned"}
    return how


def training_of(config: Mapping[str, Any], model: str, task: str) -> Entry:
    """Settings of the trainings of a model on a task.

    Those of ``training``, then the published ones where they are asked for and known, then the overrides of the model,
    of the task, and of both; and what the task itself says.
    """
    limits = {part: None if limit == "all" else limit for part, limit in config["evaluate"].items()}
    parts = parts_of(config["define"]["tasks"][task], config["glue"])
    limits |= {part: limits["validation"] for part in FURTHER if part in parts}
    overrides = config["training_overrides"]
    return {
        **config["training"],
        **(_published(config, model, task) if config["published_settings"] else {}),
        **overrides.get(model, {}),
        **overrides.get(task, {}),
        **overrides.get(f"{model}/{task}", {}),
        "evaluate": limits,
        "outputs": outputs_of(config, task),
        "threads": config["threads"],
        "device": config["device"],
        "precision": config["precision"],
    }


def _published(config: Mapping[str, Any], model: str, task: str) -> Entry:
    """Epochs and dropout before the task head of the published code, where it has the task."""
    published = dict(config["define"]["tasks"][task].get("published", {}))
    size = config["define"]["models"][model].get("size")
    epochs = published.pop("epochs", {}).get(size)
    return published if epochs is None else published | {"epochs": epochs}


def outputs_of(config: Mapping[str, Any], task: str) -> int:
    """Number of classes of a task, 1 for regression."""
    definition = config["define"]["tasks"][task]
    return len(definition["labels"]) if definition["type"] == "classification" else 1

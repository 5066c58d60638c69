"""Check a config and fill in its defaults, before anything runs.

Imported at every start of the workflow: standard library, jsonschema and yaml only.
"""

from __future__ import annotations

import math
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml

from supertickets.errors import UserError
from supertickets.experiment.checks import inconsistencies


def _workflow_files() -> Path:
    """The folder of schema, catalogue and rules: that of the library in a checkout, share/ where pip has put them."""
    checkout, installed = Path(__file__).parents[2], Path(sysconfig.get_path("data"), "share/supertickets/workflow")
    return checkout if (checkout / "catalogue.yaml").is_file() else installed


WORKFLOW = _workflow_files()
SCHEMA = WORKFLOW / "schemas" / "config.schema.yaml"
CATALOGUE = WORKFLOW / "catalogue.yaml"

#: Keys and lists inside each other, values of all, and the largest whole number that a float is exact for.
DEEPEST, MOST_VALUES, LARGEST = 20, 1_000_000, 2**53

#: What false, or nothing, stands for as a value of these keys.
SWITCHED_OFF: dict[str, dict[str, list[str]]] = {"multi_task": {"modes": []}, "adaptation": {"tasks": []}}

#: Most problems in one message.
MOST = 50

#: JSON schema in which 1.0 is not an integer: it would give other paths than 1.
Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def check_config(config: Mapping[str, Any], files: Iterable[str | Path] = ()) -> dict[str, Any]:
    """A complete config: defaults filled in, the catalogue merged into ``define``.

    Args:
        config: content of the config files, as Snakemake merges them.
        files: where they are.

    Raises:
        UserError: one line for every wrong key: where it is, its value, and what would be right.
    """
    _refuse(_unusable(config))
    _refuse(problem for file in files for problem in _repeated_keys(Path(file)))
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    config = {key: _switched(key, value) for key, value in config.items()}
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
            name: {"like": "winning", **catalogue["kinds"].get(name, {}), **settings}
            for name, settings in define["kinds"].items()
        }
        define["kinds"] = kinds
        # An encoder that is another one with fewer layers is prepared from the files of that one.
        models = {name: _with_encoder(entry) for name, entry in define["models"].items()}
        define["models"] = {
            name: {**_origin(models.get(entry.get("like"), {})), **entry} for name, entry in models.items()
        }
        shared = config["multi_task"] if config["multi_task"]["modes"] else {**config["multi_task"], "tasks": []}
        config = {**config, "define": define, "multi_task": shared}
        problems = list(inconsistencies(config, schema["$defs"]["regression_metric"]["enum"]))
    _refuse(problems)
    return dict(config)


def _switched(key: str, value: Any) -> Any:
    """The value of a key: --config gives true and false as text, and some parts can be switched off by them."""
    value = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
    return SWITCHED_OFF[key] if key in SWITCHED_OFF and (value is False or value is None) else value


def _origin(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What an encoder with fewer layers has of the entry of its origin."""
    return {key: value for key, value in entry.items() if key != "finetuned"}


def _with_encoder(entry: dict[str, Any]) -> dict[str, Any]:
    """A model's entry; tickets of a fine-tuned model that is given alone are rewound to its own encoder."""
    alone = "finetuned" in entry and not {"package", "hub", "path"} & entry.keys()
    return {**entry, "path": entry["finetuned"]} if alone else entry


def _repeated_keys(path: Path) -> Iterator[str]:
    """Duplicate keys of a config file, which YAML and JSON accept silently."""
    try:
        nodes = [yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)]
    except (OSError, yaml.YAMLError, ValueError, RecursionError):  # Snakemake has read it, as JSON maybe
        return
    seen = set()  # an alias is the node of its anchor
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            nodes += [value for _, value in node.value]
            keys: set[str] = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"):
                if key.value in keys:
                    yield f"{path}, line {key.start_mark.line + 1}: duplicate key {key.value!r:.80}"
                keys.add(key.value)


def _refuse(problems: Iterable[str]) -> None:
    lines = [f"  {problem}" for problem in islice(problems, MOST)]
    if lines:
        raise UserError("the config cannot be used:\n" + "\n".join(lines))


def _nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """All values inside a config with their paths, down to one level below the deepest that is allowed."""
    yield path, value
    if len(path) <= DEEPEST and isinstance(value, Mapping | list):
        items = ((str(key), inner) for key, inner in value.items()) if isinstance(value, Mapping) else enumerate(value)
        for key, inner in items:
            yield from _nodes(inner, (*path, key))


def _unusable(config: Mapping[str, Any]) -> Iterator[str]:
    """YAML values that no key allows: dates, keys that are not text, huge numbers, aliases that multiply."""
    for count, (path, value) in enumerate(_nodes(config)):
        if count == MOST_VALUES:
            yield f"config: more than {MOST_VALUES:,} values; aliases multiply them"
            return
        if len(path) > DEEPEST:
            yield f"{_key(path[:3])}: more than {DEEPEST} keys and lists inside each other"
        elif isinstance(value, int) and abs(value) > LARGEST:
            yield f"{_key(path)} is a number of {len(f'{value:x}')} hexadecimal digits: at most {LARGEST} is allowed"
        elif isinstance(value, date):
            yield f"{_key(path)} is {value}, which YAML reads as a date: quote it"
        elif not isinstance(value, Mapping | list | str | int | float | None):
            yield f"{_key(path)} is {value!r:.80}: neither text nor number, list or keys"
        elif isinstance(value, Mapping):
            for key in (key for key in value if not isinstance(key, str)):
                yield f"{_key(path)} has the key {key!r:.80}, which is not text: quote it"


def without_defaults_of_others(config: Mapping[str, Any], given: Mapping[str, Any], default: bool) -> dict[str, Any]:
    """A config without what ``config.yaml`` says for its own models and tasks, where others are laid over them.

    These are multi-task training and adaptation, which name other tasks, and the precision of the default experiment.

    Args:
        config: all configs, merged.
        given: what was laid over ``config.yaml``.
        default: whether that file is the project's own.
    """
    if default and "precision" not in given and {"models", "tasks"} & given.keys():
        config = {key: value for key, value in config.items() if key != "precision"}
    if "tasks" not in given:
        return dict(config)
    parts = {"multi_task": ("tasks",), "adaptation": ("tasks", "from_single")}
    # Values that are not mappings are refused later, with their key.
    known = {part: config[part] for part in parts if isinstance(config.get(part), Mapping)}
    own = {part for part in known if isinstance(given.get(part), Mapping) and "tasks" in given[part]}
    others = {part: {**known[part], **{key: [] for key in parts[part]}} for part in known if part not in own}
    return {**config, **others}


def _explain(error: jsonschema.ValidationError) -> str:
    """One line for one violation of the schema."""
    key = _key(error.absolute_path)
    schema, instance = cast(dict[str, Any], error.schema), cast(Any, error.instance)
    if error.validator == "additionalProperties":
        known = sorted(schema.get("properties", {}))
        unknown = sorted(map(str, set(instance) - set(known)))
        return f"{key}: unknown key {', '.join(unknown)}; known keys are {', '.join(known)}"
    if error.validator == "contains":
        return f"{key} is {instance!r}: {schema['contains']['description']}"
    if error.validator == "required":
        return f"{key}: {error.message}"
    if error.validator in ("oneOf", "not") and "description" in schema:
        return f"{key} has the keys {', '.join(map(str, instance))}: {schema['description']}"
    if error.validator == "type" and error.validator_value == "object" and instance is None:
        return f"{key} is empty: give it keys, or leave it out"
    if error.validator == "type" and error.validator_value == "array":
        return f"{key} is {error.instance!r}: a list is needed, like [{error.instance}]"
    misread = f"quote it: '{instance}'" if _is_bare_number(error) else _misread(error.instance)
    hint = f" ({misread})" if misread else ""
    described = error.schema.get("description", "") if isinstance(error.schema, Mapping) else ""
    message = "not an allowed value" if error.validator == "anyOf" else error.message
    return f"{key} is {error.instance!r}: {message}{hint}. {described}".strip()


def _is_bare_number(error: jsonschema.ValidationError) -> bool:
    """Whether a number stands where a text is needed."""
    is_number = isinstance(error.instance, int | float) and not isinstance(error.instance, bool)
    return is_number and error.validator == "type" and error.validator_value == "string"


def _misread(value: object) -> str:
    """How to write a value that YAML or snakemake's command line reads as another type than it looks like."""
    if isinstance(value, bool):
        return "YAML takes yes, no, on and off for true and false; quote them"
    if not isinstance(value, str):
        return ""
    if value.lower() in ("true", "false"):
        return "without quotes"
    try:
        float(value)
    except ValueError:
        return ""
    if "e" in value.lower():
        return "YAML takes 1e-3 for text; write 1.0e-3"
    return "without quotes; --config takes numbers in lists for text, so lists belong into a file for --configfile"


def _not_finite(config: Mapping[str, Any]) -> Iterator[str]:
    """Numbers that no limit of the schema refuses: not-a-number and infinity."""
    for path, value in _nodes(config):
        if isinstance(value, float) and not math.isfinite(value):
            yield f"{_key(path)} is {value!r}: a finite number is needed"


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

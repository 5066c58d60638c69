"""Make a task, labelled examples in fixed parts, from files of rated or labelled texts."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supertickets.data.archive import read_member
from supertickets.data.examples import write_examples
from supertickets.data.readers import read_rows
from supertickets.errors import UserError, message
from supertickets.experiment.parts import UNLABELLED
from supertickets.files import read_whole
from supertickets.seeds import generator, places_of

log = logging.getLogger(__name__)

#: Columns of an example's text.
TEXTS = ("text", "text_pair")

#: The largest target of a regression: the square of an error of this size is finite in float32.
LARGEST_TARGET = 1e18

#: Parts that every task has (``test`` may be empty).
PARTS = ("train", "validation", "test")
#: The fewest examples of a scored part: each half is scored too, and a correlation needs two examples.
FEWEST = 4


def prepare_task(definition: dict[str, Any], examples: Path) -> None:
    """Write a task's examples: id, split, text, text_pair, label, each part in random order.

    The definition's seed fixes the order, so the first n examples of a part are a random sample of it. The label of an
    example of an unlabelled part is NaN. ``text_pair`` is null in tasks of single texts. The file's metadata holds the
    number of rows left out, under ``dropped``.

    Args:
        definition: the result of :func:`supertickets.experiment.task_files.resolved`. A single file is divided into
            parts; of several files each is a part.
        examples: Parquet file to write.

    Raises:
        UserError: a file is too large, a line is broken (with file, line, what was found and expected), a part has no
            or too few examples, or the sizes are not the pinned ones.
    """
    tables = [_read(source, definition) for source in definition["files"]]
    dropped = sum(table.attrs["dropped"] for table in tables)
    first = next((table.attrs["first"] for table in tables if table.attrs["first"]), "")
    table = pd.concat(tables, ignore_index=True)
    _check_parts(table, definition, f"; {dropped} rows are left out, the first broken one is {first}" * bool(first))
    seed = definition.get("split", {}).get("seed", 0)
    # Unlabelled examples come last and are not shuffled: the rows of labelled examples are the same without them.
    known = table[table["label"].notna()]
    table = pd.concat([known.iloc[places_of(len(known), seed)], table[table["label"].isna()]])
    _check_sizes(table, definition)
    write_examples(examples, table, dropped)


def _read(source: Mapping[str, Any], definition: Mapping[str, Any]) -> pd.DataFrame:
    """The examples of one file, with their parts."""
    path = Path(source["path"])
    if "member" in source:
        content, name = read_member(path, source["member"]), f"{path}: {source['member'][-1]}"
    else:
        content, name = read_whole(path), str(path)
    unlabelled = source.get("part") in UNLABELLED
    if unlabelled:  # no row may be left out: the server identifies rows by number
        columns = {key: column for key, column in source["columns"].items() if key != "target"}
        source = {**source, "columns": columns, "malformed": "error"}
    table = read_rows(content, source, name)
    # Split before rows are left out for their label, so that all tasks from one file have a text in the same part.
    table["split"] = source["part"] if "part" in source else split(table, definition["split"])
    if unlabelled:
        return table.assign(label=math.nan)
    names = {"labels": source["labels"]} if "labels" in source else {}
    return labelled(table, {**definition, **names}, name, source.get("numbered", False))


def _check_parts(table: pd.DataFrame, definition: Mapping[str, Any], left_out: str) -> None:
    """Refuse a task with an empty part, or a scored part that is too small."""
    files, sizes = definition["files"], table["split"].value_counts()
    if definition.get("no_label"):
        left_out += message(f"; rows whose target is in no_label, {definition['no_label']}, are left out")
    if "part" in files[0]:
        expected = {file["part"]: file["path"] for file in files}
    else:
        expected = {part: files[0]["path"] for part in PARTS if part == "train" or definition["split"][part] > 0}
    for part, path in expected.items():
        if part not in sizes:
            raise UserError(f"{path}: no examples for the part {part}; there are {sizes.to_dict()}{left_out}")
        if part not in ("train", *UNLABELLED) and sizes[part] < FEWEST:
            what = f"number of examples for the part {part} is {sizes[part]}; at least {FEWEST} are needed"
            raise UserError(f"{path}: {what}: more rows, or another split{left_out}")


def _check_sizes(table: pd.DataFrame, definition: Mapping[str, Any]) -> None:
    """Refuse parts whose sizes are not those of the catalogue, where it states them."""
    sizes = {part: int((table["split"] == part).sum()) for part in PARTS}
    log.info("%s", table["split"].value_counts().to_dict())
    expected = definition.get("sizes", sizes)
    if sizes != expected:
        name = definition["files"][0]["path"]
        raise UserError(f"{name}: the parts have {sizes} examples; the catalogue says {expected}")


def labelled(table: pd.DataFrame, definition: Mapping[str, Any], name: str, numbered: bool = False) -> pd.DataFrame:
    """Add the column label: the class index, or the target value of a regression; float64.

    With a ``threshold``, numbers below it are class 0 and numbers above it class 1. Rows exactly on the threshold, and
    rows whose target is in ``no_label``, have no class and are left out; their number is logged.

    Args:
        table: columns text, target and line, and text_pair where examples are pairs.
        definition: ``type``, ``labels``, ``threshold``, ``no_label`` and ``malformed`` of the task.
        name: name of the file, for messages.
        numbered: whether targets are class indices instead of names.

    Raises:
        UserError: a text is empty, or a target is not a number or not a known label. The message names file and line.
    """
    broken, first = table.attrs.get("dropped", 0), table.attrs.get("first", "")
    without = table["target"].isin(definition.get("no_label", []))
    if without.any():
        log.info("%s: %d rows without a label (%s) are left out", name, without.sum(), definition["no_label"])
    table = table[~without].copy()
    values, what = _values(table["target"], definition, numbered)
    problems = _problems(table, values, what)
    if len(problems):
        problem = f"{name}, line {table.loc[problems.index[0], 'line']}: {problems.iloc[0]}"
        if definition.get("malformed", "error") == "error":
            raise UserError(problem)
        log.info("%d broken rows are left out, the first %s", len(problems), problem)
        first = first or problem
    table = table.drop(problems.index).assign(label=values.drop(problems.index).astype(float))
    on_it = pd.Series(False, index=table.index)
    if "threshold" in definition:
        on_it = table["label"] == definition["threshold"]
        log.info("%s: %d rows rated exactly %g are left out", name, on_it.sum(), definition["threshold"])
        table = table[~on_it].copy()
        table["label"] = (table["label"] > definition["threshold"]).astype(float)
    table = table.reset_index(drop=True)
    table.attrs |= {"dropped": broken + int(without.sum()) + len(problems) + int(on_it.sum()), "first": first}
    return table


def _problems(table: pd.DataFrame, values: pd.Series, what: str) -> pd.Series:
    """The problem of each broken row, by index; ``what`` describes correct values."""
    unknown = values.isna()
    problems = table.loc[unknown, "target"].map(lambda target: message(f"{target!r:.80} is not {what}"))
    for column in (column for column in TEXTS if column in table):
        empty = table.index[table[column] == ""]
        of_empty = pd.Series(message("the text is empty"), index=empty)
        problems = pd.concat([problems.drop(empty, errors="ignore"), of_empty])
    return problems.sort_index()


def _values(targets: pd.Series, definition: Mapping[str, Any], numbered: bool) -> tuple[pd.Series, str]:
    """Targets as numbers, NaN for unknown ones, and a description of correct targets."""
    if "threshold" in definition or definition["type"] == "regression":
        numbers = pd.to_numeric(targets, errors="coerce")
        what = message(f"a number from {-LARGEST_TARGET:g} to {LARGEST_TARGET:g}")
        return numbers.where(numbers.abs() <= LARGEST_TARGET), what
    names = [str(index) for index in range(len(definition["labels"]))] if numbered else definition["labels"]
    return targets.map({name: float(index) for index, name in enumerate(names)}), message(f"one of the labels {names}")


def split(table: pd.DataFrame, settings: Mapping[str, Any]) -> pd.Series:
    """Assign every example to train, validation or test, at random with a fixed seed.

    Documents stay together; the id up to ``group_separator`` names the document. Examples with the same text, or pair
    of texts, are all in the part of the first one, so that parts share none.

    Args:
        table: columns id and text, and text_pair where examples are pairs.
        settings: ``seed``, the shares ``validation`` and ``test``, and ``group_separator`` (empty for none).
    """
    separator = settings["group_separator"]
    documents = table["id"].str.split(separator, n=1, regex=False).str[0] if separator else table["id"]
    names = documents.unique()
    shuffled = generator(settings["seed"], "parts").permutation(len(names))
    held_out = np.cumsum([round(settings[part] * len(names)) for part in ("test", "validation")])
    part_of = np.full(len(names), "train", dtype=object)
    part_of[shuffled[: held_out[0]]] = "test"
    part_of[shuffled[held_out[0] : held_out[1]]] = "validation"
    parts = documents.map(dict(zip(names, part_of, strict=True)))
    texts = [table[column] for column in TEXTS if column in table]
    return parts.groupby(texts).transform("first")

"""From a table of rated or labelled sentences to a task: labelled examples in three fixed parts."""

from __future__ import annotations

import csv
import io
import logging
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .errors import UserError
from .fetch import read_member
from .files import replacing
from .seeds import generator

log = logging.getLogger(__name__)

PARTS = ("train", "validation", "test")


def prepare_task(source: Path, definition: dict[str, Any], examples: Path) -> None:
    """Write a task's examples: id, split, text, label, each part in random order.

    The order is fixed by the definition's seed, so that the first n examples of a part are a random sample of it.

    Args:
        source: an archive or a plain file, as the definition says.
        definition: the task's entry in the catalogue (or under ``define`` in the config).
        examples: Parquet file to write.

    Raises:
        UserError: a broken line (file, line, what was found and expected), or sizes other than the pinned ones.
    """
    if "member" in definition:
        content, name = read_member(source, definition["member"]), f"{source}: {definition['member'][-1]}"
    else:
        content, name = source.read_bytes(), str(source)
    table = read_rows(content, definition, name)
    table["split"] = split(table, definition["split"])
    table = labelled(table, definition, name)
    table = table.iloc[generator(definition["split"]["seed"], "order of examples").permutation(len(table))]
    sizes = {part: int((table["split"] == part).sum()) for part in PARTS}
    log.info("%s: %s", name, sizes)
    expected = definition.get("sizes", sizes)
    if sizes != expected:
        raise UserError(f"{name}: the parts have {sizes} examples; the catalogue says {expected}")
    with replacing(examples) as part:
        table[["id", "split", "text", "label"]].to_parquet(part, index=False)


def read_rows(content: bytes, definition: Mapping[str, Any], name: str) -> pd.DataFrame:
    """Read a delimited file into columns id, text, target (strings) and line (its number in the file).

    Args:
        content: the file's bytes, UTF-8.
        definition: ``columns`` says where id, text and target are: numbers in a file without a header, names in
            one with; ``delimiter`` separates them, and nothing is quoted.
        name: the file, for messages.

    Raises:
        UserError: not UTF-8, a line with another number of fields, a missing column, or an id that occurs twice.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{name}, line {line}: not UTF-8 ({error.reason})") from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=definition["delimiter"], quoting=csv.QUOTE_NONE)
    columns = definition["columns"]
    places = [columns[key] for key in ("id", "text", "target")]
    if isinstance(places[0], str):
        header = next(reader, [])
        absent = [place for place in places if place not in header]
        if absent:
            raise UserError(f"{name}, line 1: no column {absent[0]!r}; the columns are {header}")
        places = [header.index(place) for place in places]
        width = len(header)
    else:
        width = definition["fields"]
    rows = []
    for fields in _lines(reader, name):
        if len(fields) != width:
            raise UserError(f"{name}, line {reader.line_num}: {len(fields)} fields, expected {width}: {fields!r:.80}")
        rows.append([*(fields[place].strip() for place in places), reader.line_num])
    table = pd.DataFrame(rows, columns=["id", "text", "target", "line"])
    if table.empty:
        raise UserError(f"{name}: holds no examples")
    twice = table[table["id"].duplicated()]
    if len(twice):
        raise UserError(f"{name}, line {twice['line'].iloc[0]}: id {twice['id'].iloc[0]!r} occurs a second time")
    return table


def _lines(reader: Any, name: str) -> Iterator[list[str]]:
    """The reader's lines, its own errors with file and line."""
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(f"{name}, line {reader.line_num}: {error}") from error


def labelled(table: pd.DataFrame, definition: Mapping[str, Any], name: str) -> pd.DataFrame:
    """Add the column label: the class index, or the value of a regression; float64.

    With a ``threshold``, numbers below it are class 0 and numbers above it class 1; rows exactly on it have no
    class and are left out (their count is logged).

    Raises:
        UserError: an empty text, or a target that is no number or no known label; names file and line.
    """
    empty = table[table["text"] == ""]
    if len(empty):
        raise UserError(f"{name}, line {empty['line'].iloc[0]}: the text is empty")
    if "threshold" not in definition and definition["type"] == "classification":
        codes = {label: float(index) for index, label in enumerate(definition["labels"])}
        values = table["target"].map(codes)
        what = f"one of the labels {definition['labels']}"
    else:
        values = pd.to_numeric(table["target"], errors="coerce").replace([math.inf, -math.inf], math.nan)
        what = "a number"
    wrong = table[values.isna()]
    if len(wrong):
        raise UserError(f"{name}, line {wrong['line'].iloc[0]}: {wrong['target'].iloc[0]!r} is not {what}")
    table = table.assign(label=values.astype(float))
    if "threshold" in definition:
        on_it = table["label"] == definition["threshold"]
        log.info("%s: %d rows rated exactly %g are left out", name, on_it.sum(), definition["threshold"])
        table = table[~on_it].copy()
        table["label"] = (table["label"] > definition["threshold"]).astype(float)
    return table.reset_index(drop=True)


def split(table: pd.DataFrame, how: Mapping[str, Any]) -> pd.Series:
    """Assign every example to train, validation or test, at random by a fixed seed.

    Documents stay together (``group_separator``: the document is the id up to there). An example whose text has
    occurred before goes where that went: no part holds a sentence that another part holds.

    Args:
        table: columns id and text.
        how: ``seed``, shares ``validation`` and ``test``, and ``group_separator`` (empty: every id is its own).
    """
    separator = how["group_separator"]
    documents = table["id"].str.split(separator).str[0] if separator else table["id"]
    names = documents.unique()
    shuffled = generator(how["seed"], "parts").permutation(len(names))
    held_out = np.cumsum([round(how[part] * len(names)) for part in ("test", "validation")])
    part_of = np.full(len(names), "train", dtype=object)
    part_of[shuffled[: held_out[0]]] = "test"
    part_of[shuffled[held_out[0] : held_out[1]]] = "validation"
    parts = documents.map(dict(zip(names, part_of, strict=True)))
    return parts.groupby(table["text"]).transform("first")

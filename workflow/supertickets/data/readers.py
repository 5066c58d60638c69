"""Read files of examples: delimited text, JSON lines, Parquet. Problems are reported with file and line."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from supertickets.errors import UserError, one_line
from supertickets.experiment.file_forms import form_of
from supertickets.files import LARGEST

log = logging.getLogger(__name__)

#: The most rows of a Parquet file, as a small file can hold any number of equal rows; and the rows decoded at a time.
MOST_ROWS, ROWS_AT_A_TIME = 10_000_000, 64

csv.field_size_limit(LARGEST)  # a text may be as long as its file

#: Fields of an example; all but ``text`` are optional.
FIELDS = ("id", "text", "text_pair", "target")


@dataclass(frozen=True)
class Problem:
    """A line that cannot be read, and the reason."""

    line: int
    what: str


#: A row of a file: line number and fields by name or number, or a problem.
Row = tuple[int, Mapping[str, Any] | Sequence[str]] | Problem


def read_rows(content: bytes, source: Mapping[str, Any], name: str) -> pd.DataFrame:
    """Read a file into the columns id, text, text_pair and target (strings, where the source has them) and line.

    Args:
        content: the file's bytes.
        source: ``columns`` maps fields to columns: by number in a delimited file without a header, which has
            ``fields`` columns, by name otherwise. Without an id, rows are numbered from 0. ``delimiter`` separates
            unquoted fields; ``.csv`` is quoted and separated by commas. ``malformed: drop`` leaves out broken rows and
            logs their number.
        name: name of the file, for messages. Its ending decides the format: ``.jsonl``, ``.parquet`` or ``.csv``,
            otherwise delimited text.

    Raises:
        UserError: the file is not UTF-8 or is empty, a column is missing, a line has another number of fields, or an id
            occurs twice.
    """
    columns = {field: source["columns"][field] for field in FIELDS if field in source["columns"]}
    rows, problems = [], []
    for number, row in enumerate(_reader(name)(content, source, name)):
        values = row if isinstance(row, Problem) else _selected(row, columns)
        if isinstance(values, Problem):
            problems.append(values)
        else:
            rows.append([*values, str(number)])
    if problems and source.get("malformed", "error") == "error":
        raise UserError(
            f"{name}, line {problems[0].line}: {problems[0].what}"
            + "; .csv is read with quotation marks, .tsv without" * (form_of(name) == "csv")
        )
    first = f"line {problems[0].line}: {problems[0].what}" if problems else ""
    if problems:
        log.info("%s: %d broken rows are left out, the first in %s", name, len(problems), first)
    if not rows:
        raise UserError(f"{name}: holds no examples" + f"; the first row left out is {first}" * bool(first))
    table = pd.DataFrame(rows, columns=[*columns, "line", "number"])
    table["id"] = table["id" if "id" in columns else "number"]
    table = table[["id", *(field for field in columns if field != "id"), "line"]]
    twice = table[table["id"].duplicated()]
    if len(twice):
        raise UserError(f"{name}, line {twice['line'].iloc[0]}: id {twice['id'].iloc[0]!r:.80} occurs a second time")
    table.attrs |= {"dropped": len(problems), "first": f"{name}, {first}" * bool(first)}
    return table


def _selected(row: tuple[int, Any], columns: Mapping[str, Any]) -> list[Any] | Problem:
    """The wanted fields of a row as stripped strings, then its line; 1.0 becomes 1, booleans are written as in JSON."""
    line, fields = row
    values = []
    for column in columns.values():
        value = fields[column]
        if not isinstance(value, str | int | float):
            return Problem(line, f"{column} is {value!r:.80}, not a text or a number")
        if isinstance(value, float) and not math.isfinite(value):
            return Problem(line, f"{column} is {value!r}, not a text or a finite number")
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        text = (str(value).lower() if isinstance(value, bool) else str(value)).strip()
        try:
            text.encode()
        except UnicodeEncodeError:  # a lone surrogate, which JSON can write
            return Problem(line, f"{column} is {value!r:.80}, which holds half a character")
        values.append(text)
    return [*values, line]


def _reader(name: str) -> Callable[[bytes, Mapping[str, Any], str], Iterator[Row]]:
    """The reader for a file name's ending."""
    return {"jsonl": _json_lines, "parquet": _parquet}.get(form_of(name), _delimited)


def _text(content: bytes, name: str) -> str:
    """The text of a UTF-8 file."""
    try:
        return content.decode("utf-8-sig")  # MRPC begins with a byte-order mark
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{name}, line {line}: not UTF-8 ({error.reason})") from error


def _require_columns(columns: Mapping[str, Any], known: Sequence[str], name: str) -> None:
    """Refuse a file that lacks a wanted column or has two of its name."""
    wanted = [column for field, column in columns.items() if field in FIELDS]
    for column in wanted:
        if column not in known:
            raise UserError(f"{name}, line 1: no column {column!r}; the columns are {one_line(list(known))}")
        if list(known).count(column) > 1:
            raise UserError(f"{name}, line 1: more than one column {column!r}; the columns are {one_line(list(known))}")


def _delimited(content: bytes, source: Mapping[str, Any], name: str) -> Iterator[Row]:
    """The rows of a delimited file. Unquoted lines are split by hand, as any quote or control character may be text."""
    text = _text(content, name)
    if form_of(name) == "csv":
        lines = _quoted_lines(text, source.get("delimiter", ","), name)
    elif "\r" in text and "\n" not in text:
        raise UserError(f"{name}: its lines end in carriage returns alone; save it with line feeds")
    else:
        lines = _lines(text, source.get("delimiter", "\t"))
    width, header = source.get("fields"), None
    if width is None:
        line, header = next(lines, (1, None))
        if header is None:
            return
        if isinstance(header, str):
            raise UserError(f"{name}, line {line}: {header}; .csv is read with quotation marks, .tsv without")
        _require_columns(source["columns"], header, name)
        width = len(header)
    for line, fields in lines:
        if isinstance(fields, str):
            yield Problem(line, fields)
        elif len(fields) != width:
            yield Problem(line, f"{len(fields)} fields, expected {width}: {fields!r:.80}")
        else:
            yield line, fields if header is None else dict(zip(header, fields, strict=True))


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each unquoted line."""
    text = text.rstrip("\r\n")
    for number, line in enumerate(text.split("\n") if text else [], start=1):
        yield number, line.removesuffix("\r").split(delimiter)


def _quoted_lines(text: str, delimiter: str, name: str) -> Iterator[tuple[int, list[str] | str]]:
    """Rows of a quoted file with the number of their first line, as a row may span lines.

    An error concerns its row alone, except for a quotation mark that never closes: it would hide all later rows.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if str(error) == "unexpected end of data":
                raise UserError(
                    f"{name}, line {line}: a quotation mark opens here and never closes; .csv is read with quotation "
                    "marks, .tsv without"
                ) from error
            yield line, str(error)
        else:
            if fields:  # an empty line has none
                yield line, fields


def _json_lines(content: bytes, source: Mapping[str, Any], name: str) -> Iterator[Row]:
    """The rows of a file with one JSON object a line."""
    wanted = [column for field, column in source["columns"].items() if field in FIELDS]
    for number, line in enumerate(_text(content, name).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Problem(number, f"not JSON ({error}): {line!r:.80}")
            continue
        absent = [column for column in wanted if column not in row] if isinstance(row, dict) else wanted
        if absent:
            yield Problem(number, f"not an object with the key {absent[0]!r}: {line!r:.80}")
        else:
            yield number, row


def _parquet(content: bytes, source: Mapping[str, Any], name: str) -> Iterator[Row]:
    """The rows of a Parquet file."""
    wanted = [column for field, column in source["columns"].items() if field in FIELDS]
    line = size = 0
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        _require_columns(source["columns"], file.schema_arrow.names, name)
        for column in (column for column in wanted if pa.types.is_nested(file.schema_arrow.field(column).type)):
            kind = one_line(file.schema_arrow.field(column).type)
            raise UserError(f"{name}: column {column!r} is of the type {kind}, not of texts or numbers")
        if file.metadata.num_rows > MOST_ROWS:
            raise UserError(f"{name}: {file.metadata.num_rows:,} rows; at most {MOST_ROWS:,} are read")
        for batch in map(_plain, file.iter_batches(ROWS_AT_A_TIME, columns=wanted)):
            size += batch.nbytes
            if size > LARGEST:
                raise UserError(f"{name}: its rows up to {line + len(batch):,} have more than {LARGEST:,} bytes")
            yield from enumerate(batch.to_pylist(), start=line + 1)
            line += len(batch)
    # Raised for a damaged page, text that is not UTF-8, a date that Python cannot hold, or a time without a zone.
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise UserError(f"{name}: not a readable Parquet file ({error})") from error


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Decode the dictionaries of a batch, which store repeated values once, so that its size counts every value."""
    columns = [
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)

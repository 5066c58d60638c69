"""The examples file of a task, which every later stage reads."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from supertickets.errors import DamagedError
from supertickets.files import replacing

#: Columns of the file. ``text_pair`` is null in tasks of single texts. The label of an unlabelled example is NaN.
SCHEMA = pa.schema(
    {"id": pa.string(), "split": pa.string(), "text": pa.string(), "text_pair": pa.string(), "label": pa.float64()}
)
#: Columns that may hold nulls.
OPTIONAL = ("text_pair", "label")


def write_examples(path: Path, table: pd.DataFrame, left_out: int) -> None:
    """Write the examples file of a task.

    Args:
        path: Parquet file to write.
        table: the columns of :data:`SCHEMA`; ``text_pair`` may be missing.
        left_out: number of rows left out; it is stored in the file's metadata.
    """
    table = table.reindex(columns=SCHEMA.names)
    columns = [
        pa.array(table[field.name].to_numpy(), field.type, from_pandas=field.name != "label") for field in SCHEMA
    ]
    examples = pa.Table.from_arrays(columns, schema=SCHEMA.with_metadata({"dropped": str(left_out)}))
    with replacing(path) as part:
        pq.write_table(examples, part)


def read_examples(path: Path, *names: str) -> pa.Table:
    """Read columns of a task's examples file.

    Raises:
        UserError: the file is damaged or lacks a column, or a required value is null.
    """
    try:
        table = pq.ParquetFile(path).read(list(names))
        table.validate(full=True)  # refuses text that is not UTF-8
        table = pa.table({name: table[name].cast(SCHEMA.field(name).type) for name in names})
    except (OSError, LookupError, ValueError, TypeError, pa.ArrowException) as error:
        raise DamagedError(path, f"not a table ({error})") from error
    for name in names:
        if name not in OPTIONAL and table[name].null_count:
            raise DamagedError(path, f"not a table of examples: {name} has null values")
    return table


def read_left_out(path: Path) -> int:
    """The number of rows that were left out of a task.

    Raises:
        UserError: the file does not record the number.
    """
    try:
        return int((pq.read_schema(path).metadata or {})[b"dropped"])
    except (KeyError, ValueError) as error:
        raise DamagedError(path, "does not say how many rows were left out") from error

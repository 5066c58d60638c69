"""The examples file of a task, which every later stage reads."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from supertickets.errors import reading
from supertickets.files import replacing

#: Columns of the file. ``text_pair`` is null in tasks of single texts. The label of an unlabelled example is NaN.
SCHEMA = pa.schema(
    {"id": pa.string(), "split": pa.string(), "text": pa.string(), "text_pair": pa.string(), "label": pa.float64()}
)


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
        UserError: the file is damaged or lacks a column.
    """
    with reading(path, "a table of examples"):
        table = pq.ParquetFile(path).read(list(names))
        table.validate(full=True)  # refuses text that is not UTF-8
        return pa.table({name: table[name].cast(SCHEMA.field(name).type) for name in names})


def read_left_out(path: Path) -> int:
    """The number of rows that were left out of a task.

    Raises:
        UserError: the file does not record the number.
    """
    with reading(path, "a table of examples"):
        return int(pq.read_schema(path).metadata[b"dropped"])

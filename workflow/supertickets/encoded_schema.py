"""Columns of an encoded task, for who writes it and who reads it."""

from __future__ import annotations

import pyarrow as pa

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "split": pa.string(),
        "label": pa.float64(),
        "input_ids": pa.list_(pa.int32()),
        "token_type_ids": pa.list_(pa.int8()),
    }
)

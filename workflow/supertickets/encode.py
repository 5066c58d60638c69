"""Tokenise a task for an encoder."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import UserError
from .files import read_json, replacing

log = logging.getLogger(__name__)


def encode_task(tokenizer: Path, examples: Path, max_length: int, encoded: Path) -> None:
    """Write token ids of every example: id, split, label, input_ids, token_type_ids, in the task's order.

    Args:
        tokenizer: folder with the encoder's config and tokenizer.
        examples: the task.
        max_length: longest sequence in tokens, special tokens included; longer texts are cut and counted in the log.
        encoded: Parquet file to write.

    Raises:
        UserError: the encoder has fewer positions than ``max_length``.
    """
    from transformers import AutoTokenizer

    table = pd.read_parquet(examples)
    positions = read_json(tokenizer / "config.json").get("max_position_embeddings", max_length)
    if max_length > positions:
        raise UserError(f"max_length is {max_length}: {tokenizer.name} takes at most {positions} tokens")
    tokenise = AutoTokenizer.from_pretrained(tokenizer)
    texts = table["text"].tolist()
    tokens = tokenise(texts, truncation=True, max_length=max_length, return_token_type_ids=True)
    lengths = [len(ids) for ids in tokens["input_ids"]]
    log.info("%d examples, %d tokens, longest %d", len(lengths), sum(lengths), max(lengths))
    log.info("%d texts reach max_length %d and may be cut", sum(n >= max_length for n in lengths), max_length)
    columns = {
        "id": pa.array(table["id"], pa.string()),
        "split": pa.array(table["split"], pa.string()),
        "label": pa.array(table["label"], pa.float64()),
        "input_ids": pa.array(tokens["input_ids"], pa.list_(pa.int32())),
        "token_type_ids": pa.array(tokens["token_type_ids"], pa.list_(pa.int8())),
    }
    with replacing(encoded) as part:
        pq.write_table(pa.table(columns), part)

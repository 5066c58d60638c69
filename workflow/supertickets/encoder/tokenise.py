"""Tokenise a task for an encoder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from supertickets.encoder.encoded import SCHEMA
from supertickets.encoder.families import architecture_of
from supertickets.errors import UserError, blamed_on
from supertickets.evaluation.columns import Content, read_table
from supertickets.files import read_json, replacing

log = logging.getLogger(__name__)

#: Token types that the encoded task can hold.
MOST_TYPES = 128
#: Examples that are tokenised together: millions of tokens as Python numbers fill no memory.
AT_ONCE = 20_000


def tokenise(tokenizer: Path, examples: Path, max_length: int, encoded: Path, unlabelled: int = 0) -> None:
    """Write token ids of every labelled example: id, split, label, input_ids, token_type_ids, in the task's order.

    Args:
        tokenizer: folder with the encoder's config and tokenizer.
        examples: the task.
        max_length: longest sequence in tokens, special tokens included; longer texts are cut and counted in the log, of
            a pair the longer one first.
        encoded: Parquet file to write.
        unlabelled: 1 to write unlabelled examples too, which come last.

    Raises:
        UserError: the encoder has fewer positions than ``max_length`` or other tokens, or the tokenizer's files are
            not usable.
    """
    from transformers import AutoConfig, PreTrainedTokenizerFast

    columns = ["id", "split", "text", "text_pair", "label"]
    table = read_table(examples, content=Content(("id", "split", "text"), ("label",)), columns=columns)
    if not unlabelled:
        table = table[table["label"].notna()]
    config = read_json(tokenizer / "config.json")
    before = architecture_of(config, f"{tokenizer}/config.json").first_position(config)
    positions = config.get("max_position_embeddings", max_length + before) - before
    if max_length > positions:
        raise UserError(f"max_length is {max_length}: {tokenizer.name} takes at most {positions} tokens")
    with blamed_on(f"{tokenizer}/config.json: transformers makes no config of it"):
        AutoConfig.from_pretrained(tokenizer)
    files = f"{tokenizer}: tokenizer.json and tokenizer_config.json make"
    with blamed_on(f"{files} no tokenizer"):
        # A class of one family would take the vocabulary alone from the file, and make the rest of it anew.
        tokenise = PreTrainedTokenizerFast.from_pretrained(tokenizer)
    lengths: list[int] = []
    with replacing(encoded) as part, pq.ParquetWriter(part, SCHEMA) as writer:
        for start in range(0, len(table), AT_ONCE):
            rows = table.iloc[start : start + AT_ONCE]
            texts, pairs = rows["text"].tolist(), rows["text_pair"].tolist()
            second = pairs if rows["text_pair"].notna().all() else None
            with blamed_on(f"{files} no tokens of {examples}"):
                tokens = tokenise(texts, second, truncation=True, max_length=max_length, return_token_type_ids=True)
            _check_tokens(tokens, config, tokenizer)
            lengths += map(len, tokens["input_ids"])
            if (longest := max(lengths)) > max_length:
                what = f"makes {longest} tokens of a text, and max_length is {max_length}"
                raise UserError(f"{tokenizer}: tokenizer.json {what}: its special tokens leave no room; give more")
            # Labels as numpy has them: pandas' not-a-number would become null.
            columns = [
                rows["id"],
                rows["split"],
                rows["label"].to_numpy(),
                tokens["input_ids"],
                tokens["token_type_ids"],
            ]
            arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
    log.info("%d examples, %d tokens, longest %d", len(lengths), sum(lengths), max(lengths))
    log.info("%d examples reach max_length %d and may be cut", sum(n >= max_length for n in lengths), max_length)


def _check_tokens(tokens: Mapping[str, list[list[int]]], config: Mapping[str, Any], tokenizer: Path) -> None:
    """Refuse texts without a token, and tokens that the encoder has no embedding of: a tokenizer of another encoder.

    Without any a sentence would have no first token, whose state is that of the sentence.
    """
    if not all(tokens["input_ids"]):
        raise UserError(f"{tokenizer}: tokenizer.json makes no token of some text, not even one that marks its start")
    # Where types have no embedding they are not used.
    limits = {"input_ids": config.get("vocab_size"), "token_type_ids": config.get("type_vocab_size") or MOST_TYPES}
    for key, limit in limits.items():
        most = max(map(max, filter(None, tokens[key])), default=0)
        if limit is not None and most >= limit:
            raise UserError(f"{tokenizer}: tokenizer.json makes {key} up to {most}, the encoder's end at {limit - 1}")

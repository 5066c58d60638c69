"""Tokenise a task for an encoder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from transformers import AutoConfig

from supertickets.data.examples import read_examples
from supertickets.encoder.encoded import SCHEMA
from supertickets.encoder.families import architecture_of
from supertickets.encoder.tokenizer import compare, read_tokenizer, unknown_token
from supertickets.errors import UserError, blamed_on
from supertickets.files import read_json, replacing

log = logging.getLogger(__name__)

#: Number of token types that the encoded task can hold.
MOST_TYPES = 128
#: Examples that are tokenised at a time, so that token ids as Python integers do not fill the memory.
AT_ONCE = 20_000
#: Examples whose tokens are compared with those of transformers' own class.
COMPARED = 100
#: The share of tokens outside the vocabulary above which the log warns. Tokenizers of words' parts know nearly all.
MOST_UNKNOWN = 0.05


def tokenise(tokenizer: Path, examples: Path, max_length: int, encoded: Path, unlabelled: int = 0) -> None:
    """Write id, split, label, input_ids and token_type_ids of every labelled example, in the task's order.

    Args:
        tokenizer: folder with the encoder's config and tokenizer.
        examples: the task's examples file.
        max_length: longest sequence in tokens, including special tokens. Longer examples are cut, in a pair the longer
            text first, and their number is logged.
        encoded: Parquet file to write.
        unlabelled: 1 to write unlabelled examples too; they come last.

    Raises:
        UserError: the encoder has fewer positions than ``max_length``, the tokenizer belongs to another encoder, does
            not mark the beginning of a text, or its files are not usable.
    """
    table = read_examples(examples, "id", "split", "text", "text_pair", "label").to_pandas()
    if not unlabelled:
        table = table[table["label"].notna()]
    config = read_json(tokenizer / "config.json")
    architecture = architecture_of(config, f"{tokenizer}/config.json")
    before = architecture.first_position(config)
    positions = config.get("max_position_embeddings", max_length + before) - before
    if max_length > positions:
        raise UserError(f"max_length is {max_length}: {tokenizer.name} takes at most {positions} tokens")
    with blamed_on(f"{tokenizer}/config.json: transformers makes no config of it"):
        types = getattr(AutoConfig.from_pretrained(tokenizer), "type_vocab_size", 0) if architecture.token_types else 0
    encode = read_tokenizer(tokenizer)
    paired = bool(table["text_pair"].notna().all())
    compare(encode, tokenizer, *_columns(table.head(COMPARED), paired), types=types > 1)
    unknown, unknowns = unknown_token(encode), 0
    lengths: list[int] = []
    with replacing(encoded) as part, pq.ParquetWriter(part, SCHEMA) as writer:
        for start in range(0, len(table), AT_ONCE):
            rows = table.iloc[start : start + AT_ONCE]
            texts, second = _columns(rows, bool(rows["text_pair"].notna().all()))
            with blamed_on(f"{tokenizer}: tokenizer.json and tokenizer_config.json make no tokens of {examples}"):
                tokens = encode(texts, second, truncation=True, max_length=max_length, return_token_type_ids=True)
            if types == 1:  # the encoder knows type 0 alone
                tokens["token_type_ids"] = [[0] * len(ids) for ids in tokens["input_ids"]]
            _check_tokens(tokens, config, tokenizer)
            lengths += map(len, tokens["input_ids"])
            unknowns += sum(ids.count(unknown) for ids in tokens["input_ids"])
            if (longest := max(lengths)) > max_length:
                what = f"makes {longest} tokens of a text, and max_length is {max_length}"
                raise UserError(f"{tokenizer}: tokenizer.json {what}: its special tokens leave no room; give more")
            writer.write_table(_table_of(rows, tokens))
    words = sum(lengths) - len(lengths) * encode.num_special_tokens_to_add(pair=paired)
    _log_counts(lengths, max_length, unknowns, words)


def _table_of(rows: pd.DataFrame, tokens: Mapping[str, list[list[int]]]) -> pa.Table:
    """Some rows of the encoded task."""
    # Labels as a numpy array, because NaN in a pandas column would become null.
    own = [rows["id"], rows["split"], rows["label"].to_numpy()]
    columns = [*own, tokens["input_ids"], tokens["token_type_ids"]]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _log_counts(lengths: list[int], max_length: int, unknowns: int, words: int) -> None:
    """Log how long examples are, and how many of their tokens, without special ones, are not in the vocabulary."""
    log.info("%d examples, %d tokens, longest %d", len(lengths), sum(lengths), max(lengths))
    log.info("%d examples reach max_length %d and may be cut", sum(n >= max_length for n in lengths), max_length)
    share = unknowns / max(words, 1)
    log.info("%d tokens (%.1f%%) are not in the vocabulary", unknowns, 100 * share)
    if share > MOST_UNKNOWN:
        what = "the tokenizer is for other texts, or for another case: see do_lower_case in tokenizer_config.json"
        log.warning("more than %.0f%% of the tokens are not in the vocabulary: %s", 100 * MOST_UNKNOWN, what)


def _columns(rows: pd.DataFrame, paired: bool) -> tuple[list[str], list[str] | None]:
    """The texts of some rows, and the second ones of pairs."""
    return rows["text"].tolist(), rows["text_pair"].tolist() if paired else None


def _check_tokens(tokens: Mapping[str, list[list[int]]], config: Mapping[str, Any], tokenizer: Path) -> None:
    """Refuse texts without a token, and tokens without an embedding, which come from another encoder's tokenizer.

    The state of a sentence is that of its first token, so it needs at least one.
    """
    if not all(tokens["input_ids"]):
        raise UserError(f"{tokenizer}: tokenizer.json makes no token of some text, not even one that marks its start")
    # An encoder without embeddings of token types does not use them.
    limits = {"input_ids": config.get("vocab_size"), "token_type_ids": config.get("type_vocab_size") or MOST_TYPES}
    for key, limit in limits.items():
        most = max(map(max, filter(None, tokens[key])), default=0)
        if limit is not None and most >= limit:
            raise UserError(f"{tokenizer}: tokenizer.json makes {key} up to {most}, the encoder's end at {limit - 1}")

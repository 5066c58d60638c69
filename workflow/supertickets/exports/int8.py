"""Write an ONNX model with int8 weights, and score it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from transformers import AutoTokenizer

from supertickets.encoder.batches import sorted_batches
from supertickets.encoder.encoded import Encoded
from supertickets.errors import blamed_on
from supertickets.evaluation.columns import read_parquet
from supertickets.evaluation.metric import predicted
from supertickets.evaluation.predictions import documents_of
from supertickets.evaluation.resampling import sample
from supertickets.evaluation.results import reported_split_of
from supertickets.evaluation.significance import percentile_interval
from supertickets.exports.describe import without_nan
from supertickets.exports.to_onnx import quantise, session_of
from supertickets.files import write_json

#: Sentences of a batch, of about equal lengths.
BATCH = 16


def quantise_onnx(
    model: Path,
    folder: Path,
    encoded: Path,
    predictions: Path,
    metric: str,
    separator: str,
    threads: int,
    quantised: Path,
    score: Path,
) -> None:
    """Write an ONNX model with int8 weights, and what it scores on the reported split.

    Args:
        model: the ONNX file, of float32.
        folder: the tokenizer of the export.
        encoded: the tokenised task.
        predictions: of the trained model, which this one is compared with.
        metric: the task's first metric.
        separator: the task's, as of :func:`~supertickets.evaluation.predictions.documents_of`.
        threads: of the CPU.
        quantised: ONNX file to write.
        score: JSON file to write: ``value`` in points with its interval over examples, or over documents, and
            ``difference`` to the trained model, paired.

    Raises:
        UserError: the extra is not installed, or an input is damaged.
    """
    quantise(model, quantised)
    own = read_parquet(predictions, ["id", "split", "label", "logits"])
    split = reported_split_of(own["split"])
    own = own[own["split"] == split]
    logits = outputs_of(quantised, folder, Encoded.read(encoded), own, threads)
    sizes = {"bytes": quantised.stat().st_size, "bytes_of_float": model.stat().st_size}
    found = score_of(own, logits, metric, separator)
    write_json(score, without_nan({"split": split, "metric": metric, "examples": len(own)} | found | sizes))


def outputs_of(model: Path, folder: Path, data: Encoded, own: pd.DataFrame, threads: int) -> np.ndarray:
    """What an ONNX model computes from predicted examples, in their order, shape (n, outputs).

    Args:
        model: the file.
        folder: the tokenizer.
        data: the tokenised task.
        own: predictions, with id and split.
        threads: of the CPU.
    """
    places = {key: row for row, key in enumerate(zip(data.parts, data.ids, strict=True))}
    rows = np.array([places[key] for key in zip(own["split"], own["id"], strict=True)])
    session = session_of(model, threads)
    names = [each.name for each in session.get_inputs()]
    with blamed_on(f"{folder}: not a tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(folder)
    found: list[np.ndarray] = [np.empty(0)] * len(rows)
    # Activations are converted by the range of a batch, so its sentences are always the same.
    for batch in sorted_batches(np.arange(len(rows)), data.lengths[rows], BATCH):
        spans = [slice(*data.offsets[rows[place] : rows[place] + 2]) for place in batch]
        given = {"input_ids": [data.tokens[span] for span in spans]}
        given["token_type_ids"] = [data.types[span] for span in spans]
        padded = tokenizer.pad(given, return_tensors="np")
        logits = session.run(["logits"], {name: padded[name].astype(np.int64) for name in names})[0]
        for place, values in zip(batch, logits, strict=True):
            found[place] = values
    return np.stack(found)


def score_of(own: pd.DataFrame, logits: np.ndarray, metric: str, separator: str) -> dict[str, Any]:
    """What outputs score beside those of the trained model, both in points, with intervals of a paired bootstrap.

    Args:
        own: predictions of the trained model.
        logits: outputs for the same examples, shape (n, outputs).
        metric: of the task.
        separator: the task's, as of :func:`~supertickets.evaluation.predictions.documents_of`.
    """
    answers = np.stack([predicted(logits), predicted(np.stack(own["logits"].tolist()))])
    sampled = sample(metric, own["label"].to_numpy(), answers, documents=documents_of(pd.Index(own["id"]), separator))
    pairs = {
        "value": (sampled.scores[0], sampled.resampled[0]),
        "difference": (sampled.scores[0] - sampled.scores[1], sampled.resampled[0] - sampled.resampled[1]),
    }
    found: dict[str, Any] = {}
    for name, (value, resampled) in pairs.items():
        ends = ("low", "high") if name == "value" else ("difference_low", "difference_high")
        found |= {name: value, **dict(zip(ends, percentile_interval(resampled), strict=True))}
    return found

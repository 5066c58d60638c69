"""The table of importance scores: normalized, written, read."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from .errors import UserError
from .files import replacing


def normalize(head_scores: np.ndarray, ffn_scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide head scores by the l2 norm of their layer's, FFN scores by the l2 norm of all (published).

    A layer whose scores are all zero stays zero.
    """
    layer_norms = np.linalg.norm(head_scores, axis=1, keepdims=True)
    ffn_norm = np.linalg.norm(ffn_scores)
    return head_scores / np.where(layer_norms > 0, layer_norms, 1), ffn_scores / (ffn_norm if ffn_norm > 0 else 1)


def write_importance(path: Path, head_scores: np.ndarray, ffn_scores: np.ndarray) -> None:
    """Write raw and normalized scores, heads first, layer by layer."""
    head_normalized, ffn_normalized = normalize(head_scores, ffn_scores)
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["kind", "layer", "head", "score", "normalized"])
        for (layer, head), score in np.ndenumerate(head_scores):
            table.writerow(["head", layer, head, float(score), float(head_normalized[layer, head])])
        for layer, score in enumerate(ffn_scores):
            table.writerow(["ffn", layer, "", float(score), float(ffn_normalized[layer])])


def read_importance(path: Path) -> dict[str, np.ndarray]:
    """Normalized scores from ``importance.csv``: ``head`` of shape (layers, heads), ``ffn`` of shape (layers,).

    Raises:
        UserError: a line is broken or a unit is missing; names file and line.
    """
    scores: dict[str, list[list[float]]] = {"head": [], "ffn": []}
    with path.open(newline="", encoding="utf-8") as stream:
        for row in (table := csv.DictReader(stream)):
            try:
                by_layer, layer, value = scores[row["kind"]], int(row["layer"]), float(row["normalized"])
            except (KeyError, TypeError, ValueError) as error:
                raise UserError(f"{path}, line {table.line_num}: not a line of importance scores ({error})") from error
            while len(by_layer) <= layer:
                by_layer.append([])
            by_layer[layer].append(value)
    try:
        return {"head": np.array(scores["head"]), "ffn": np.array(scores["ffn"]).reshape(len(scores["head"]))}
    except ValueError as error:
        raise UserError(f"{path}: units are missing; delete it to have it made again") from error

"""Packed batches of examples: the sentences of a batch are one row of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from supertickets.encoder.encoded import Encoded
from supertickets.engine.attention import Packing, pack
from supertickets.engine.device import Compute


@dataclass(frozen=True)
class Batch:
    """The input of a model: n sentences in one row of tokens.

    Attributes:
        input_ids, token_type_ids, position_ids: shape (1, tokens).
        packing: the positions of the sentences' tokens.
        labels: class index or target value, float64, shape (n,).
    """

    input_ids: Tensor
    token_type_ids: Tensor
    position_ids: Tensor
    packing: Packing
    labels: Tensor


def training_batches(rows: np.ndarray, batch_size: int, random: np.random.Generator) -> list[np.ndarray]:
    """The random batches of one epoch: every row once; the last batch may be smaller.

    Batches of similar lengths would spare attention some padding, the only padding that packing leaves. But they would
    not be random: in a small training set each would hold examples of one kind.

    Args:
        rows: rows of the training examples.
        batch_size: sentences per batch.
        random: the run's generator for the order of the data.
    """
    order = random.permutation(rows)
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def epochs_of(
    rows: np.ndarray, batch_size: int, random: np.random.Generator, places: np.ndarray | None = None
) -> Iterator[list[np.ndarray]]:
    """The batches of each epoch, without end.

    Args:
        rows, batch_size, random: as of :func:`training_batches`.
        places: the number of every row of the task in its files. With it, batches are of consecutive examples, and
            their order is drawn once for all epochs, as in the published code. None for :func:`training_batches`.
    """
    if places is not None:
        ordered = rows[np.argsort(places[rows])]
        batches = [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
        batches = [batches[index] for index in random.permutation(len(batches))]
    while True:
        yield batches if places is not None else training_batches(rows, batch_size, random)


def sorted_batches(rows: np.ndarray, lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Every row once, in batches sorted by length, for passes whose order does not matter."""
    order = np.argsort(lengths, kind="stable")
    return [rows[order[start : start + batch_size]] for start in range(0, len(order), batch_size)]


def batch_of(data: Encoded, rows: np.ndarray, pad: int, compute: Compute) -> Batch:
    """Pack some examples into a batch.

    Args:
        data: the examples of a task.
        rows: rows of the n examples to pack.
        pad: id of the padding token, also used for null tokens.
        compute: device of the batch. The copy to a CUDA device is asynchronous, so batches are made while the device
            computes.
    """
    begins = data.offsets[rows].astype(np.int64)
    lengths = data.offsets[rows + 1] - begins
    tokens = int(lengths.sum())
    # A GPU is faster with one large group than with several small ones.
    shapes, total, arrays = pack(lengths, compute.multiple(tokens), grouped=compute.device.type == "cpu")
    starts = np.cumsum(lengths) - lengths
    position = np.arange(tokens) - np.repeat(starts, lengths)
    taken = np.repeat(begins, lengths) + position
    ids, types, positions = np.full(total, pad), np.zeros(total, dtype=np.int64), np.zeros(total, dtype=np.int64)
    ids[:tokens], types[:tokens], positions[:tokens] = data.tokens[taken], data.types[taken], position
    # One array needs one copy to the device; the bits of the labels are copied as integers.
    parts = [ids, types, positions, *arrays, starts, data.labels[rows].view(np.int64)]
    joined = torch.from_numpy(np.concatenate(parts))
    if compute.device.type == "cuda":
        joined = joined.pin_memory().to(compute.device, non_blocking=True)
    on_device = joined.split([len(part) for part in parts])
    order, padded, places, widths, begins, labels = on_device[3:]
    packing = Packing(shapes, order, padded, places, on_device[2], widths, begins, tokens)
    input_ids, token_types, places_of = (row[None] for row in on_device[:3])
    return Batch(input_ids, token_types, places_of, packing, labels.view(torch.float64))

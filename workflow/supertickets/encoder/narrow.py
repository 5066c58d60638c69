"""Train only the word embeddings of tokens that occur.

A row of the word embedding whose token never occurs has no gradient. Training changes it by weight decay only, which is
applied at the end. The result equals that of training the whole embedding, and half of the parameters of a small
encoder need no gradients, moments and updates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from supertickets.encoder.batches import Batch, batch_of
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import Classifier
from supertickets.engine.device import Compute


class Narrowed:
    """State of a model whose word embedding holds only the tokens of some examples.

    Attributes:
        data: the examples, with token ids of the narrowed embedding.
        pad: the padding token's id in the narrowed embedding.
        compute: the model's device and the precision to compute in.
        decay: factor by which weight decay has shrunk every decayed matrix so far; updated by the training.
    """

    def __init__(self, data: Encoded, pad: int, compute: Compute) -> None:
        self.data, self.pad, self.compute, self.decay = data, pad, compute, 1.0

    def batch(self, rows: np.ndarray) -> Batch:
        """Make a batch of some rows, on the model's device."""
        return batch_of(self.data, rows, self.pad, self.compute)


def require_fit(model: Classifier, data: Encoded, embeddings: int) -> None:
    """Refuse examples that a model cannot take (:meth:`~supertickets.encoder.encoded.Encoded.require_fit`).

    Args:
        model: the model.
        data: the encoded task.
        embeddings: number of tokens that the model has an embedding of.

    Raises:
        UserError: names the file.
    """
    tables = (getattr(model.encoder.embeddings, f"{name}_embeddings", None) for name in ("token_type", "position"))
    types, positions = (math.inf if table is None else len(table.weight) for table in tables)
    data.require_fit(embeddings, model.classifier.out_features, types, positions - model.first_position)


@contextmanager
def narrowed(model: Classifier, data: Encoded, rows: np.ndarray, compute: Compute) -> Iterator[Narrowed]:
    """Narrow a model's word embedding to the tokens of some examples while the block runs.

    Args:
        model: the model; its word embedding is replaced during the block.
        data: the encoded task.
        rows: all examples that the block will use.
        compute: the model's device and the precision that the block computes in.

    Raises:
        UserError: the model has no embedding for a token of the task, or for its type or position.
    """
    full = model.word_embedding
    pad = model.pad
    require_fit(model, data, len(full.weight))
    vocabulary = data.vocabulary(rows, pad)
    occurring = torch.from_numpy(vocabulary).to(full.weight.device)
    new_pad = int(np.searchsorted(vocabulary, pad))
    narrow = nn.Embedding.from_pretrained(full.weight.detach()[occurring], freeze=False, padding_idx=new_pad)
    model.replace_word_embedding(narrow)
    state = Narrowed(data.renumbered(vocabulary), new_pad, compute)
    try:
        yield state
    finally:
        with torch.no_grad():
            full.weight.mul_(state.decay)
            full.weight[occurring] = narrow.weight
        model.replace_word_embedding(full)

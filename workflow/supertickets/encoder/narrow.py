"""Train only the word embeddings that can matter: those of tokens that occur.

A row of the word embedding whose token never occurs has no gradient. All that training does to it is weight decay,
which is made up for at the end. The result is that of training the whole embedding; half of the parameters of a
small encoder need no gradient, no moments and no update.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from supertickets.encoder.batches import Batch, batch_of
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import Classifier
from supertickets.engine.device import Compute


class Narrowed:
    """A model while its word embedding holds only the tokens of some examples.

    Attributes:
        data: the examples, with token ids that fit the narrowed embedding.
        pad: the padding token's id there.
        compute: where the model is, and the precision to compute in.
        decay: factor by which weight decay has shrunk every decayed matrix so far; kept by the training.
    """

    def __init__(self, data: Encoded, pad: int, compute: Compute) -> None:
        self.data, self.pad, self.compute, self.decay = data, pad, compute, 1.0

    def batches(self, groups: Iterable[np.ndarray]) -> Iterator[Batch]:
        """The batch of each group of rows, on the model's device."""
        return (batch_of(self.data, rows, self.pad, self.compute) for rows in groups)


def require_fit(model: Classifier, data: Encoded, embeddings: int) -> None:
    """Refuse examples that a model cannot take (:meth:`~supertickets.encoder.encoded.Encoded.require_fit`).

    Args:
        model: the model.
        data: the encoded task.
        embeddings: how many tokens it has an embedding of.

    Raises:
        UserError: names the file.
    """
    tables = (getattr(model.encoder.embeddings, f"{name}_embeddings", None) for name in ("token_type", "position"))
    types, positions = (math.inf if table is None else len(table.weight) for table in tables)
    data.require_fit(embeddings, model.classifier.out_features, types, positions - model.first_position)


@contextmanager
def narrowed(model: Classifier, data: Encoded, rows: np.ndarray, compute: Compute) -> Iterator[Narrowed]:
    """Narrow a model's word embedding to the tokens of some examples, and widen it again afterwards.

    Args:
        model: its word embedding is replaced while the block runs.
        data: the encoded task.
        rows: all examples that the block will use.
        compute: where the model is, and the precision that the block computes in.

    Raises:
        UserError: the model has no embedding of some token of the task, or of its type or position.
    """
    full = model.word_embedding
    require_fit(model, data, len(full.weight))
    vocabulary = data.vocabulary(rows, model.pad)
    kept = torch.from_numpy(vocabulary).to(full.weight.device)
    new_pad = int(np.searchsorted(vocabulary, model.pad))
    narrow = nn.Embedding.from_pretrained(full.weight.detach()[kept], freeze=False, padding_idx=new_pad)
    model.replace_word_embedding(narrow)
    state = Narrowed(data.renumbered(vocabulary), new_pad, compute)
    try:
        yield state
    finally:
        with torch.no_grad():
            full.weight.mul_(state.decay)
            full.weight[kept] = narrow.weight
        model.replace_word_embedding(full)

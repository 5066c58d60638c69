"""What the library does for those who import it: score the units of a model, prune, cut, write and load.

::

    model = supertickets.load("my-classifier")
    tokenizer = AutoTokenizer.from_pretrained("my-classifier")
    scores = supertickets.score_units(model, tokenizer, texts, labels)
    small = supertickets.cut(model, supertickets.prune(scores, ratio=0.3))
    supertickets.export(small, "small", tokenizer)

A cut model is then trained further, as any model of transformers. The workflow does the same for rows of ratios and
seeds, rewinds before it trains, and judges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from supertickets.encoder.batches import sorted_batches
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.families import architecture_of, dimensions_of
from supertickets.encoder.narrow import require_fit
from supertickets.encoder.ticket import Ticket
from supertickets.engine.device import Compute
from supertickets.errors import DamagedError, UserError
from supertickets.exports.folder import load, write_models
from supertickets.exports.modeling_super_ticket import SuperTicketForSequenceClassification
from supertickets.exports.plain import classifier_of, cut_model, cut_tensors
from supertickets.seeds import generator
from supertickets.tickets.importance import method_of
from supertickets.tickets.importance_table import normalize
from supertickets.tickets.prune import draw
from supertickets.tickets.sample import Sample

__all__ = ["cut", "export", "load", "prune", "score_units"]


def score_units(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    labels: Sequence[int | float | str],
    pairs: Sequence[str] | None = None,
    method: str = "sensitivity",
    batch_size: int = 8,
    max_length: int | None = None,
) -> dict[str, np.ndarray]:
    """Score the attention heads and feed-forward blocks of a model, higher for those to keep.

    Args:
        model: a full model of transformers for classification, fine-tuned.
        tokenizer: its tokenizer.
        texts: training examples, n.
        labels: of each the class, as number or by its name in the model's config, or the value of a regression.
        pairs: of each the second text, where examples are pairs.
        method: a module of :mod:`supertickets.tickets.methods`: ``sensitivity``, ``taylor``, ``magnitude``, ...
        batch_size: examples in each batch; sensitivity is the mean over batches.
        max_length: longest sequence in tokens; what the tokenizer says if None.

    Returns:
        Normalized scores: ``head`` of shape (layers, heads), ``ffn`` of shape (layers,).

    Raises:
        UserError: the model's family is not covered, an example is not one of its classes, or there is no such method.
    """
    _require_known("methods", method)
    classifier = classifier_of(model)
    if not len(texts) == len(labels) > 0:
        raise UserError(f"{len(texts)} texts and {len(labels)} labels: give one label for each text, and one at least")
    found = tokenizer(list(texts), pairs, truncation=True, max_length=max_length, return_token_type_ids=True)
    tokens, types = found["input_ids"], found["token_type_ids"]
    if getattr(model.config, "type_vocab_size", 0) == 1:  # it knows type 0 alone, whatever the tokenizer says
        types = [[0] * len(ids) for ids in tokens]
    numbers = [(model.config.label2id or {}).get(label, label) for label in labels]
    if wrong := [label for label in numbers if isinstance(label, str)]:
        raise UserError(f"{wrong[0]!r:.80} is not a label; the model has {', '.join(map(str, model.config.label2id))}")
    data = Encoded(
        ids=[str(number) for number in range(len(texts))],
        parts=["train"] * len(texts),
        labels=np.array(numbers, dtype=np.float64),
        tokens=np.fromiter(chain.from_iterable(tokens), dtype=np.int64),
        types=np.fromiter(chain.from_iterable(types), dtype=np.int64),
        offsets=np.cumsum([0, *map(len, tokens)]),
    )
    try:
        require_fit(classifier, data, len(classifier.word_embedding.weight))
    except DamagedError as error:  # there is no file that could be made again
        raise UserError(error.what) from error
    batches = sorted_batches(np.arange(len(texts)), data.lengths, batch_size)
    sample = Sample(classifier, data, batches, Compute(model.device, "fp32"), generator(0, "importance random"))
    heads, ffn = normalize(*method_of(method)(sample))
    return {"head": np.stack(heads), "ffn": ffn}


def prune(
    scores: Mapping[str, np.ndarray], ratio: float, kind: str = "winning", units: str = "both", seed: int = 0
) -> Ticket:
    """Choose the units to keep.

    Args:
        scores: of :func:`score_units`.
        ratio: share of the heads, and of the blocks, to prune: from 0 to 1, two decimals.
        kind: a module of :mod:`supertickets.tickets.kinds`: ``winning``, ``losing``, ``random``, ...
        units: which may be pruned: ``both``, ``heads`` or ``ffn``.
        seed: of the random kinds.

    Raises:
        UserError: there is no such kind or ratio.
    """
    _require_known("kinds", kind)
    if not 0 <= ratio <= 1 or units not in ("both", "heads", "ffn"):
        raise UserError(
            f"ratio is {ratio}, units is {units!r}: a number from 0 to 1, and both, heads or ffn are needed"
        )
    return draw(kind, ratio, scores, "share", generator(seed, f"ticket {kind}"), units)


def cut(model: PreTrainedModel, ticket: Ticket | str | Path) -> PreTrainedModel:
    """The model without the units that a ticket prunes: smaller matrices, and no pruned blocks.

    Args:
        model: a full model of transformers for classification.
        ticket: the ticket, or its file.

    Returns:
        A new model, as :func:`load` gives of an export's ``cut``. It can be trained, saved and loaded.

    Raises:
        UserError: the model's family is not covered, it has no task head, or the ticket is of another encoder.
    """
    units = ticket if isinstance(ticket, Ticket) else Ticket.read(Path(ticket))
    fields: dict[str, Any] = model.config.to_diff_dict()
    architecture = architecture_of(fields, "the model's config")
    layers, heads, _, _ = dimensions_of(model.config.to_dict(), architecture, "the model's config")
    units.require_dimensions(layers, heads, "ticket")
    classifier_of(model)  # which has a task head, and computes nothing else
    return cut_model(cut_tensors(model.state_dict(), units, architecture), fields, units, architecture)


def export(model: PreTrainedModel, folder: str | Path, tokenizer: PreTrainedTokenizerBase | None = None) -> None:
    """Write a cut model as ``dense/``, with zeros for what is pruned, and ``cut/``, of its own sizes.

    Args:
        model: of :func:`cut`, or of :func:`load`, and maybe trained since.
        folder: folder to write.
        tokenizer: its tokenizer, which is written to both.

    Raises:
        UserError: the model is not cut.
    """
    config = model.config
    if not isinstance(model, SuperTicketForSequenceClassification):
        raise UserError(f"{type(model).__name__} is not a cut model; call cut() first (a full ticket is enough)")
    begin = f"{model.base_model_prefix}."
    kept = {name.removeprefix(begin): tensor.cpu() for name, tensor in model.state_dict().items()}
    architecture = architecture_of(config.full, "the model's config")
    write_models(kept, config.full, Ticket.of(config.ticket, "the model's config"), architecture, Path(folder))
    for form in ("dense", "cut") if tokenizer is not None else ():
        tokenizer.save_pretrained(Path(folder) / form)


def _require_known(package: str, name: str) -> None:
    known = sorted(path.stem for path in (Path(__file__).parent / "tickets" / package).glob("[!_]*.py"))
    if name not in known:
        raise UserError(f"unknown {package.removesuffix('s')} {name!r:.80}; there are {', '.join(known)}")

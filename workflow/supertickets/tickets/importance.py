"""Score the units of a model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from supertickets.encoder.batches import sorted_batches
from supertickets.encoder.encoded import Encoded
from supertickets.encoder.model import read_model
from supertickets.encoder.narrow import require_fit
from supertickets.errors import UserError
from supertickets.jobs.finished import give_up
from supertickets.seeds import derived, generator
from supertickets.tickets.importance_table import RawScores, write_importance
from supertickets.tickets.sample import Sample
from supertickets.training.settings import settings_from, with_chosen

log = logging.getLogger(__name__)


def method_of(name: str) -> Callable[[Sample], RawScores]:
    """The scoring function of a method: it returns raw scores, higher for units to keep."""
    return import_module(f"supertickets.tickets.methods.{name}").score


def score_units(
    config: Path,
    weights: Path,
    encoded: Path,
    subset: Path,
    seed: int,
    settings: dict[str, Any],
    methods: list[str],
    importance: Path,
    ticket: Path | None = None,
    chosen: Path | None = None,
    temporary: int = 0,
) -> None:
    """Score the units of a model on a run's training subset and write ``importance.csv``.

    All methods score at once, because the weights are deleted afterwards.

    Args:
        config: the encoder's ``config.json``.
        weights: the weights to score. A missing task head is drawn as at the start of the run's training.
        encoded: the tokenised task.
        subset: the run's training rows.
        seed: the run's seed.
        settings: the fields of :class:`~supertickets.training.settings.Settings`; ``batch_size`` sets the batches.
        methods: modules of :mod:`supertickets.tickets.methods`.
        importance: CSV file to write.
        ticket: the ticket that ``weights`` are cut to; None for the full encoder.
        chosen: file of the settings that a search chose, which replace those in ``settings``; None without a search.
        temporary: 1 if no other step reads the weights: the training that made them keeps them no longer.

    Raises:
        UserError: an input is not usable, or a score is not finite.
    """
    training = settings_from(with_chosen(settings, chosen))
    compute = training.start()
    data = Encoded.read(encoded)
    rows = data.chosen_rows(subset)
    start = torch.Generator().manual_seed(derived(seed, "task head"))
    model = read_model(config, weights, ticket, training.outputs, 0.0, start).to(compute.device)
    require_fit(model, data, len(model.word_embedding.weight))
    batches = sorted_batches(rows, data.lengths[rows], training.batch_size)
    sample = Sample(model, data, batches, compute, generator(seed, "importance random"))
    scores = {}
    for name in methods:
        heads, ffn = scores[name] = method_of(name)(sample)
        if not (np.isfinite(np.concatenate(heads)).all() and np.isfinite(ffn).all()):
            raise UserError(f"{weights}: {name} scores are not finite; the model has diverged")
    write_importance(importance, model.ticket, scores)
    if temporary:
        give_up(weights)
    log.info("scored %d layers on %d batches by %s", len(model.layers), len(batches), ", ".join(scores))

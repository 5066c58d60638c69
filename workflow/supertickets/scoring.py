"""Score the units of a model by every method there is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .batches import Encoded, sorted_batches
from .errors import UserError
from .finished import forget_beside
from .importance import RawScores, write_importance
from .magnitude import magnitude
from .model import read_model
from .sample import Sample
from .seeds import derived, generator
from .sensitivity import running_sensitivity, sensitivity
from .taylor import taylor
from .training import settings_from, with_chosen
from .vocabulary import require_fit

log = logging.getLogger(__name__)


def random_scores(sample: Sample) -> RawScores:
    """Scores that depend on nothing, uniform between 0 and 1."""
    ticket = sample.model.ticket
    return [sample.random.random(len(kept)) for kept in ticket.heads], sample.random.random(len(ticket.ffn))


#: How each method scores the units of a model: raw scores, higher for what is to be kept.
METHODS: dict[str, Callable[[Sample], RawScores]] = {
    "sensitivity": sensitivity,
    "running_sensitivity": running_sensitivity,
    "taylor": taylor,
    "magnitude": magnitude,
    "random": random_scores,
}


def score_run(
    config: Path,
    weights: Path,
    encoded: Path,
    subset: Path,
    seed: int,
    settings: dict[str, Any],
    importance: Path,
    ticket: Path | None = None,
    chosen: Path | None = None,
) -> None:
    """Score the units of a model on a run's training subset by every method and write ``importance.csv``.

    All methods at once: the weights are deleted afterwards, and what a later kind of ticket asks for must be there. So
    are they where a finished training keeps them for itself.

    Args:
        config: the encoder's ``config.json``.
        weights: the weights to score; a task head that they lack is the one that the run's training starts from.
        encoded: the tokenised task.
        subset: the run's training rows.
        seed: the run's seed.
        settings: content of :class:`~supertickets.training.Settings`; ``batch_size`` sets the batches.
        importance: CSV file to write.
        ticket: the ticket that ``weights`` hold; None for the full encoder.
        chosen: settings that a search chose, which take the place of those in ``settings``; None where there was none.

    Raises:
        UserError: an input is unusable, or a score is not finite.
    """
    forget_beside(weights)
    how = settings_from(with_chosen(settings, chosen))
    compute = how.start()
    data = Encoded.read(encoded)
    rows = data.chosen_rows(subset)
    start = torch.Generator().manual_seed(derived(seed, "task head"))
    model = read_model(config, weights, ticket, how.outputs, 0.0, start).to(compute.device)
    require_fit(model, data, len(model.encoder.get_input_embeddings().weight))
    batches = sorted_batches(rows, data.lengths[rows], how.batch_size)
    sample = Sample(model, data, batches, compute, generator(seed, "importance random"))
    scores = {}
    for name, method in METHODS.items():
        heads, ffn = scores[name] = method(sample)
        if not (np.isfinite(np.concatenate(heads)).all() and np.isfinite(ffn).all()):
            raise UserError(f"{weights}: {name} scores are not finite; the model has diverged")
    write_importance(importance, model.ticket, scores)
    log.info("scored %d layers on %d batches by %s", len(model.layers), len(batches), ", ".join(scores))

"""The best of the training settings that were tried."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from supertickets.errors import UserError
from supertickets.files import read_object, write_json

log = logging.getLogger(__name__)


def choose_settings(seeds: list[int], choices: dict[str, Any], chosen: Path) -> None:
    """Write the settings with the best mean validation score over the seeds of a search.

    Args:
        seeds: those of the search.
        choices: the settings of each choice by its name; of equal ones the first counts.
        chosen: JSON file to write, beside the scores of each seed and choice, ``seed{seed}/{choice}.json``
            (:func:`supertickets.training.try_settings.try_settings`): the ``chosen`` settings, and under ``tried``
            those of every choice with its ``scores``, one per seed. A choice with a null counts as the worst.

    Raises:
        UserError: there is a null among the scores of every choice, or a file is damaged.
    """
    folder = chosen.parent
    scores = {
        name: [read_object(folder / f"seed{seed}" / f"{name}.json", "score")["score"] for seed in seeds]
        for name in choices
    }
    best = max(choices, key=lambda name: _mean(scores[name]))
    if _mean(scores[best]) == -math.inf:
        raise UserError(
            f"search: each of {', '.join(choices)} diverged for some seed; give lower rates or larger batches"
        )
    log.info("%s, of %s", best, scores)
    tried = [{**choices[name], "scores": scores[name]} for name in choices]
    write_json(chosen, {"chosen": choices[best], "tried": tried})


def _mean(scores: Sequence[float | None]) -> float:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if len(known) == len(scores) else -math.inf

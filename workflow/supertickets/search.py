"""Choices of training settings, and the best of them. Imported at every start of the workflow."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from .errors import DamagedError, UserError
from .files import read_json, write_json

log = logging.getLogger(__name__)

#: Settings that may be searched for, with what paths call them.
SHORT = {"learning_rate": "lr", "batch_size": "batch", "epochs": "epochs"}


def choices_of(search: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every combination of the values to choose from, by a name that is part of paths, as in ``lr5e-05-batch16``.

    Args:
        search: lists of values by setting; what else it holds is no setting.
    """
    keys = [key for key in SHORT if search.get(key)]
    if not keys:
        return {}
    combinations = [dict(zip(keys, values, strict=True)) for values in product(*(search[key] for key in keys))]
    return {"-".join(f"{SHORT[key]}{value!r}" for key, value in one.items()): one for one in combinations}


def choose_settings(seeds: list[int], choices: dict[str, Any], chosen: Path) -> None:
    """Write the settings with the best mean validation score over the seeds of a search.

    Args:
        seeds: those of the search.
        choices: the settings of each choice by its name; of equal ones the first counts.
        chosen: JSON file to write, beside the scores of each seed and choice, ``seed{seed}/{choice}.json``
            (:func:`supertickets.search_run.search_run`): the ``chosen`` settings, and under ``tried`` those of every
            choice with its ``scores``, one per seed. A choice with a null among them counts as the worst.

    Raises:
        UserError: there is a null among the scores of every choice, or a file holds no score.
    """
    found = {name: [_score(chosen.parent / f"seed{seed}" / f"{name}.json") for seed in seeds] for name in choices}
    best = max(choices, key=lambda name: _mean(found[name]))
    if _mean(found[best]) == -math.inf:
        raise UserError(
            f"search: each of {', '.join(choices)} diverged for some seed; give lower rates or larger batches"
        )
    log.info("%s, of %s", best, found)
    tried = [{**choices[name], "scores": found[name]} for name in choices]
    write_json(chosen, {"chosen": choices[best], "tried": tried})


def _score(path: Path) -> float | None:
    content = read_json(path)
    score = content.get("score", "missing") if isinstance(content, dict) else "missing"
    if score is not None and not (type(score) in (int, float) and abs(score) < 101):  # it may be rounded
        raise DamagedError(path, f"not the score of a choice: {content!r:.80}")
    return score


def _mean(scores: Sequence[float | None]) -> float:
    return -math.inf if None in scores else sum(scores) / len(scores)

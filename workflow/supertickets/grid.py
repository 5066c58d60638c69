"""The runs that an experiment consists of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any


def runs_of(config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All runs of a config: model, task, train_size, seed, kind, ratio and draw, the full model (ratio 0) first.

    Args:
        config: a checked config.
    """
    axes = (config["models"], config["tasks"], config["train_sizes"], config["seeds"])
    tickets = [(("full", 1), 0.0), *product(draws_of(config), config["ratios"])]
    for (model, task, size, seed), ((kind, draw), ratio) in product(product(*axes), tickets):
        run = {"model": model, "task": task, "train_size": size, "seed": seed}
        yield {**run, "kind": kind, "ratio": ratio, "draw": draw}


def draws_of(config: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Kinds of tickets with the numbers of their draws: one of each kind, ``random_draws`` of the random ones."""
    draws = {kind: config["random_draws"] if kind.startswith("random") else 1 for kind in config["kinds"]}
    return [(kind, draw) for kind, count in draws.items() for draw in range(1, count + 1)]

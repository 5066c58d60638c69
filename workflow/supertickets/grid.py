"""The runs that an experiment consists of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any


def runs_of(config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All runs of a config: model, task, train_size, seed, kind and ratio, the full model (ratio 0) first.

    Args:
        config: a checked config.
    """
    axes = (config["models"], config["tasks"], config["train_sizes"], config["seeds"])
    tickets = [("full", 0.0), *product(config["kinds"], config["ratios"])]
    for (model, task, size, seed), (kind, ratio) in product(product(*axes), tickets):
        yield {"model": model, "task": task, "train_size": size, "seed": seed, "kind": kind, "ratio": ratio}

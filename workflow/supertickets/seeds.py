"""Random generators of a run, derived from its seed; each purpose has an independent stream."""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, purpose: str) -> np.random.Generator:
    """A numpy generator for one purpose of a run; streams of different purposes are independent."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def derived(seed: int, purpose: str) -> int:
    """A seed for another library's generator, for one purpose of a run."""
    return int(generator(seed, purpose).integers(2**63))


def places_of(count: int, seed: int) -> np.ndarray:
    """The number that each labelled example of a task had in its files: the task has them in random order.

    Args:
        count: number of labelled examples.
        seed: of the task's definition.
    """
    return generator(seed, "order of examples").permutation(count)

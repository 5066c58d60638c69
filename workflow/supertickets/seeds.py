"""All random numbers of a run, drawn from its seed alone and apart from each other."""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, purpose: str) -> np.random.Generator:
    """A numpy generator for one purpose of a run; different purposes are independent streams."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def derived(seed: int, purpose: str) -> int:
    """A seed for another library's generator, for one purpose of a run."""
    return int(generator(seed, purpose).integers(2**63))

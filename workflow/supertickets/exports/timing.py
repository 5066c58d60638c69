"""Time several functions against each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from supertickets.seeds import generator

#: Rounds before those that are timed, in which memory is allocated and kernels are chosen.
WARM_UP = 2


def interleaved(functions: Sequence[Callable[[], object]], rounds: int) -> np.ndarray:
    """Time functions in rounds, each of which calls every function once, in a new random order.

    So a clock that slows down, or other work on the machine, falls on all of them alike, and none always runs after
    the same other one.

    Args:
        functions: what to time; each returns when it has computed.
        rounds: number of rounds, after :data:`WARM_UP` others.

    Returns:
        Seconds, shape (rounds, functions).
    """
    random, seconds = generator(0, "order of what is timed"), np.empty((rounds, len(functions)))
    for number in range(-WARM_UP, rounds):
        for place in random.permutation(len(functions)):
            began = time.perf_counter()
            functions[place]()
            took = time.perf_counter() - began
            if number >= 0:
                seconds[number, place] = took
    return seconds

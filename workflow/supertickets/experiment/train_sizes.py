"""Sizes of training subsets, in paths and in words."""

from __future__ import annotations


def size_from(text: str) -> int | float | str:
    """A training size from a path: a number of examples, a share of them below 1, or ``all``."""
    return text if text == "all" else float(text) if "." in text else int(text)


def size_text(train_size: str) -> str:
    """How many training examples, for a title."""
    size = size_from(train_size)
    if isinstance(size, float):
        return f"{100 * size:g}% of the training examples"
    return f"{size} training examples"

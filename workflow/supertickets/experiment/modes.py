"""Modes of multi-task training."""

from __future__ import annotations

#: Kind of the tickets that a mode's are made from; ``full`` has none, and ``union`` is made of those of ``super``.
KIND_OF_MODE = {"super": "winning", "random": "random", "union": "winning"}

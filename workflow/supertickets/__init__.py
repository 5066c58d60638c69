"""Super tickets: find how far a pre-trained encoder can be cut, and cut it.

The public API is :mod:`supertickets.api`. It is imported when one of its names is used, not before: every job of the
workflow imports this package first, and most need none of it.
"""

from __future__ import annotations

__all__ = ["cut", "export", "load", "prune", "score_units"]


def __getattr__(name: str) -> object:
    """A function of the public API."""
    if name not in __all__:
        raise AttributeError(f"module 'supertickets' has no attribute {name!r}")
    from supertickets import api

    return getattr(api, name)


def __dir__() -> list[str]:
    """Names in the package, with those of the public API."""
    return sorted({*globals(), *__all__})

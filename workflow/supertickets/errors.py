"""The error that a user can act on."""

from __future__ import annotations


class UserError(Exception):
    """Bad input or a run that cannot give a result.

    The message is one sentence or two: where (file and line, or config key), what was found, what would be
    right. Stage entries print it alone, without a traceback, and exit with status 1.
    """


class DamagedError(UserError):
    """What an earlier stage has made is not as it was written.

    Args:
        where: its file.
        what: what is wrong with it.
    """

    def __init__(self, where: object, what: str) -> None:
        super().__init__(f"{where}: {what}; delete it to have it made again")


class DivergedError(UserError):
    """Training came to numbers that are not finite."""


class InterruptedRunError(UserError):
    """A signal has ended a training before its end."""

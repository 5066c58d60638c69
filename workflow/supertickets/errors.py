"""The error that a user can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

#: Characters of a library's own words that a message holds.
LONGEST = 400


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
        super().__init__(f"{where}: {one_line(what)}; delete it to have it made again")


class DivergedError(UserError):
    """Training came to numbers that are not finite."""


class InterruptedRunError(UserError):
    """A signal has ended a training before its end."""


def one_line(words: object) -> str:
    """An error of a library, or other words, in one line of bounded length."""
    text = " ".join(str(words).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


@contextmanager
def blamed_on(what: str) -> Iterator[None]:
    """Whatever a library raises for files of any content as one line, which begins with ``what``.

    Raises:
        UserError: the block has raised anything.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of Rust, as in tokenizers, is no Exception
        raise UserError(f"{what} ({type(error).__name__}: {one_line(error)})") from error

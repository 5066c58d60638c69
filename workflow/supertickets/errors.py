"""Errors that a user can act on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: The most characters of a library's text in a message.
LONGEST = 400
#: Messages of torch's out-of-memory errors, which are plain RuntimeErrors.
NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")
#: Begins the last line of the log of a job that has ended in an error.
PREFIX = "Error: "


def printable(text: str) -> str:
    """A text whose control characters, which names of files may have, are written as escapes; lines stay lines."""
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)


def message(text: str) -> str:
    """Return a text that is only shown. An edit of it reruns nothing, as of a text in the call that makes an error."""
    return text


class UserError(Exception):
    """Bad input, or a run that cannot give a result.

    The message has one or two sentences: where (file and line, or config key), what was found, what would be right.
    Stage entries print the message without a traceback and exit with status 1.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


def reported(logs: Iterable[Path]) -> dict[str, list[Path]]:
    """What jobs that ended in an error say in the last lines of their logs, and which logs those are, in order."""
    found: dict[str, list[Path]] = {}
    for log in sorted(logs):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
        if lines and lines[-1].startswith(PREFIX):
            found.setdefault(lines[-1], []).append(log)
    return found


class DamagedError(UserError):
    """The output of an earlier stage is damaged.

    Args:
        where: the file.
        what: what is wrong with it.
    """

    def __init__(self, where: object, what: str) -> None:
        self.what = what
        super().__init__(f"{where}: {one_line(what)}; delete it to have it made again")


def lacks_memory(error: Exception) -> bool:
    """Whether an error is lack of memory."""
    said = isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)
    return said or isinstance(error, MemoryError)


@contextmanager
def reading(path: object, what: str) -> Iterator[None]:
    """Blame whatever goes wrong in a block on the file that it reads, which an earlier stage has made.

    Args:
        path: the file.
        what: what it is when it is not damaged, with an article.

    Raises:
        DamagedError: the block raises an exception; lack of memory is not the file's fault.
    """
    try:
        yield
    except DamagedError:
        raise
    except Exception as error:
        if lacks_memory(error):
            raise
        found = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        raise DamagedError(path, f"not {what} ({found})") from error


class DivergedError(UserError):
    """Training diverged: the loss or an output is not finite."""


class InterruptedRunError(UserError):
    """A signal has interrupted a training."""


def one_line(message: object) -> str:
    """A library's error, or other text, as one line of limited length."""
    text = " ".join(str(message).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


@contextmanager
def blamed_on(what: str) -> Iterator[None]:
    """Turn any exception of a library into a :class:`UserError` of one line that begins with ``what``.

    Libraries raise exceptions of any class for files of any content.

    Raises:
        UserError: the block raises an exception.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a Rust panic, as in tokenizers, is not an Exception
        raise UserError(f"{what} ({type(error).__name__}: {one_line(error)})") from error

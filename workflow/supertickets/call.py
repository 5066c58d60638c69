"""Call a function of the library with the options of a command line."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import json
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, get_args, get_origin, get_type_hints

from supertickets.errors import UserError, lacks_memory, one_line, printable

#: What to do about any other error of a job, whose inputs Snakemake names.
DEFECT = (
    "this is a defect, unless a file in results that the job reads was changed: delete that file to have it made again"
)


class _Printable(logging.Formatter):
    """A formatter that escapes control characters, which names of files may have."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        return printable(super().formatMessage(record))


def load(name: str) -> Callable[..., None]:
    """A function by its name, ``package.module:function``.

    Raises:
        UserError: the name is not of that form, or there is no such module or function.
    """
    path, _, function = name.partition(":")
    module = f"supertickets.{path}"
    try:
        found = importlib.util.find_spec(module)
    except (ModuleNotFoundError, ValueError):  # no such package, or an empty name
        found = None
    loaded = importlib.import_module(module) if found else None
    if not function or not hasattr(loaded, function):
        raise UserError(f"{name!r} is not a function of the library; write package.module:function")
    return getattr(loaded, function)


def parser_of(function: Callable[..., None]) -> argparse.ArgumentParser:
    """A command line with one option for each parameter of a function.

    A ``Path``, ``str``, ``int`` or ``float`` is taken as it is, a ``dict`` or ``list`` as JSON; a ``bool`` is
    ``--name`` or ``--no-name``. A parameter with a default is optional. A positional one has no name.
    """
    parser = argparse.ArgumentParser(
        description=inspect.getdoc(function), allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    hints = get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints[name]
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            parser.add_argument(name, nargs="?", default=parameter.default, metavar=name.upper())
            continue
        options: dict[str, Any] = {"required": parameter.default is inspect.Parameter.empty}
        if hint is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif get_origin(hint) in (dict, list):
            options["type"] = json.loads
        else:
            # "Path | None" is a Path that may be left out.
            options["type"] = next(kind for kind in get_args(hint) or (hint,) if kind is not type(None))
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, default=parameter.default, **options)
    return parser


def run(function: Callable[..., None], arguments: Sequence[str]) -> None:
    """Call a function with the options of a command line; progress and errors go to standard error.

    Exits with status 1 after an error, the last line of the log: a :class:`~supertickets.errors.UserError` is this line
    alone, anything else is below its traceback. A full disk, or too little memory, is said as it is; the rest are
    defects, or come from a file of the results that is damaged in a way that its reader does not look for.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Printable("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    values = vars(parser_of(function).parse_args(arguments))
    names = inspect.signature(function).parameters
    positional = [values.pop(name) for name in names if names[name].kind is inspect.Parameter.POSITIONAL_ONLY]
    try:
        function(*positional, **values)
    except UserError as error:
        sys.exit(f"Error: {error}")
    except Exception as error:
        traceback.print_exc()
        sys.exit(f"Error: {printable(_said(error))}")


def _said(error: Exception) -> str:
    """The last line of the log after an error that no stage foresees."""
    if isinstance(error, OSError | MemoryError):
        return one_line(error) or "not enough memory"
    if lacks_memory(error):
        return f"not enough memory: {one_line(error)}"
    return f"{one_line(f'{type(error).__name__}: {error}')}; {DEFECT}"


def main(arguments: Sequence[str]) -> None:
    """Run the function that the first argument names with the options after it."""
    if not arguments:
        sys.exit("usage: python -m supertickets package.module:function --option value ...")
    try:
        function = load(arguments[0])
    except UserError as error:
        sys.exit(f"Error: {error}")
    run(function, arguments[1:])

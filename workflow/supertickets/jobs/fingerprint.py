"""Fingerprint of the code behind a rule: of the function that does its work and of all that it imports.

The workflow puts the fingerprint among a rule's params: an edit of a statement reruns the stages whose modules hold
it, and no others, whatever the files' times are. Words are not statements: comments, docstrings, blank lines, what is
written where an error is made or a message is logged, and texts that a block makes which ends in an error do not count.
Nor does what keeps a job safe but decides no number (:data:`NOT_FOLLOWED`).
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TypeGuard

LIBRARY = Path(__file__).parents[1]

#: What decides no result, below the library.
NOT_FOLLOWED = ("jobs/", "errors.py", "files.py", "__main__.py", "experiment/missing_files.py")

#: Name of the logger in every module of the library.
LOGGER = "log"

#: Calls that hold a message, beside errors and the logger. ``message``: a text; ``blamed_on`` and ``reading``: its
#: beginning; ``Problem``: a line that cannot be read.
MESSAGES = ("message", "blamed_on", "reading", "Problem")

#: Stands for a line feed inside of a string while blank lines are dropped.
LINE_FEED = b"\x01"


def module_of(function: str) -> Path:
    """Path of the module of a function, ``package.module:function``, or of a module, relative to the library.

    Raises:
        ValueError: there is no such module.
    """
    path = Path(f"{function.partition(':')[0].replace('.', '/')}.py")
    if not (LIBRARY / path).is_file():
        raise ValueError(f"{function}: there is no {path} in {LIBRARY}")
    return path


def modules_of(function: str, *loaded: str) -> list[Path]:
    """The module of a function and every module of the library that it imports, directly or not.

    Args:
        function: ``package.module:function``.
        loaded: modules that it loads by their names, ``package.module``.

    Returns:
        Paths relative to the library, sorted.

    Raises:
        ValueError: a module imports one that is not there, or in a way that is not followed.
    """
    waiting = [module_of(name) for name in (function, *loaded)]
    found = set(waiting)
    while waiting:
        new = {*_imports_of(waiting.pop())} - found
        found |= new
        waiting += new
    return sorted(found)


@cache
def code_of(function: str, *loaded: str) -> str:
    """SHA-256 over the paths and statements of :func:`modules_of`."""
    digest = hashlib.sha256()
    for path in modules_of(function, *loaded):
        digest.update(f"{path.as_posix()}\0{_statements_of(path)}\0".encode())
    return digest.hexdigest()


@cache
def _imports_of(path: Path) -> tuple[Path, ...]:
    """Modules of the library that a module imports anywhere in it, but for :data:`NOT_FOLLOWED`."""
    imported = _resolve(path)
    return tuple(dict.fromkeys(found for found in imported if not found.as_posix().startswith(NOT_FOLLOWED)))


def _resolve(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(_text_of(path), filename=str(path))):
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == LIBRARY.name for alias in node.names):
            raise ValueError(f"{path}: write 'from {LIBRARY.name}.package.module import name'")
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            raise ValueError(f"{path}, line {node.lineno}: a relative import; name the module in full")
        top, _, inside = (node.module or "").partition(".")
        if top != LIBRARY.name:
            continue
        module = Path(*inside.split("."))
        # "from package import module" names a module too.
        names = [module.with_suffix(".py")] if (LIBRARY / module).with_suffix(".py").is_file() else []
        names = names or [module / f"{alias.name}.py" for alias in node.names]
        for name in names:
            if not (LIBRARY / name).is_file():
                raise ValueError(f"{path}, line {node.lineno}: there is no {name.as_posix()} in {LIBRARY.name}")
            yield name


@cache
def _statements_of(path: Path) -> str:
    return statements(_text_of(path))


def _text_of(path: Path) -> str:
    return (LIBRARY / path).read_text(encoding="utf-8")


def statements(source: str) -> str:
    """Source code without words and blank lines; strings that remain are kept to the byte.

    The result is text, not a syntax tree, which differs between versions of Python.
    """
    content, tree = bytearray(source.encode()), ast.parse(source)
    starts = [0, *accumulate(len(line) for line in content.splitlines(keepends=True))]

    def span(node: ast.expr) -> slice:
        """Where a node is; its columns count bytes."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return slice(starts[node.lineno - 1] + node.col_offset, starts[end_line - 1] + end_column)

    code, words = bytearray(content), []
    for node in ast.walk(tree):
        if _is_text(node):
            content[span(node)] = content[span(node)].replace(b"\n", LINE_FEED)
            code[span(node)] = code[span(node)].replace(b"#", b" ")
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            words.append(span(node.value))
        elif isinstance(node, ast.Call) and _speaks(node.func):
            words.append(slice(span(node.func).stop, span(node).stop))
        words += [span(text) for statement in _failing(node) for text in _made_in(statement)]
    # Outside of strings, "#" begins a comment.
    words += [slice(*comment.span()) for comment in re.finditer(rb"#[^\n]*", code)]
    for word in words:
        content[word] = bytes(word.stop - word.start)
    lines = (line.rstrip() for line in content.replace(b"\0", b"").split(b"\n"))
    return b"\n".join(line for line in lines if line).replace(LINE_FEED, b"\n").decode()


def _is_text(node: ast.AST) -> TypeGuard[ast.expr]:
    """Whether a node is a string, perhaps with values in it."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


#: What leaves a block before its end, or gives a value to who called.
LEAVES = (ast.Return, ast.Yield, ast.YieldFrom, ast.Continue, ast.Break)
#: Statements whose block may be left by an error that something else catches.
CATCHES = (ast.Try, ast.TryStar, ast.With, ast.AsyncWith)


def _failing(node: ast.AST) -> Iterator[ast.stmt]:
    """Statements of the blocks of a node that always end in an error."""
    for name in ("orelse",) if isinstance(node, CATCHES) else ("body", "orelse"):
        block = getattr(node, name, None)
        if isinstance(block, list) and block and isinstance(block[-1], ast.Raise):
            inside = (inner for statement in block for inner in ast.walk(statement))
            if not any(isinstance(inner, LEAVES + CATCHES) for inner in inside):
                yield from block


def _made_in(statement: ast.stmt) -> Iterator[ast.expr]:
    """Texts that a statement puts together or gives a name: those of a message, if it is in a block that fails."""
    for node in ast.walk(statement):
        if isinstance(node, ast.JoinedStr):
            yield node
        elif isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets):
            value = node.value
            parts = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
            yield from (part for part in parts if _is_text(part))


def _speaks(function: ast.expr) -> bool:
    """Whether a call makes an error, holds the message of one, or writes to the log."""
    if isinstance(function, ast.Name):
        return function.id.endswith("Error") or function.id in MESSAGES
    holder = function.value if isinstance(function, ast.Attribute) else None
    return isinstance(holder, ast.Name) and holder.id == LOGGER

"""Which source files a stage consists of, and a fingerprint of them.

The workflow puts the fingerprint among a rule's params: an edit of a module reruns the stages that import it, and
no others, whatever the files' times are.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


@cache
def _imports_of(source: Path) -> tuple[Path, ...]:
    """Modules of this package that a file imports anywhere in it."""
    return tuple(dict.fromkeys(_resolve(source)))


def _resolve(source: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"), filename=str(source))):
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == PACKAGE.name for alias in node.names):
            raise ValueError(
                f"{source}: write 'from {PACKAGE.name}.module import name', which is what is followed here"
            )
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level == 0 and (node.module or "").split(".")[0] != PACKAGE.name:
            continue
        inside = (node.module or "").split(".")[0 if node.level else 1 :]
        # "from .module import name" names a module, "from . import module" several.
        names = ["/".join(inside)] if inside and inside != [""] else [alias.name for alias in node.names]
        for name in names:
            path = PACKAGE / f"{name}.py"
            if not path.is_file():
                raise ValueError(f"{source}: imports {name!r}, which is no module of {PACKAGE.name}")
            yield path


def sources_of(script: Path) -> list[Path]:
    """The script and every module of this package that it imports, directly or not, sorted."""
    found = {script, PACKAGE / "__init__.py"}
    waiting = [script]
    while waiting:
        for path in _imports_of(waiting.pop()):
            if path not in found:
                found.add(path)
                waiting.append(path)
    return sorted(found)


def code_of(script: Path) -> str:
    """SHA-256 over the names and contents of :func:`sources_of`."""
    digest = hashlib.sha256()
    for path in sources_of(script):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()

"""Pages of the site that are made when it is built, by MkDocs: see ``hooks`` in mkdocs.yml.

- The reference of the config, from its JSON schema.
- README.md, ARCHITECTURE.md, CHANGELOG.md and the benchmarks' pages, which stay where they are.
- A page for each other file of the project that a page links to.

In all of them links are those of the repository, and are made to lead to pages of the site.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).parents[1]
SCHEMA = "workflow/schemas/config.schema.yaml"
REFERENCE = "reference.md"

#: Pages of the site that are files of the project elsewhere than in docs/.
PLACES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    SCHEMA: REFERENCE,
    "benchmarks/README.md": "benchmarks/index.md",
    "benchmarks/NOTES.md": "benchmarks/notes.md",
}

#: A link or picture to a file, with what follows the file's name.
LINK = re.compile(r"(\]\()(?!https?:|mailto:|#)([^)#\s]+)((?:#[^)\s]*)?\))")

#: What a file's text is highlighted as, by its ending.
LANGUAGES = {".py": "python", ".yaml": "yaml", ".smk": "python", ".md": "markdown", ".cff": "yaml"}


# The reference of the config.


def reference(schema: Mapping[str, Any]) -> str:
    """The page of every key of a config: its meaning, type, limits and default."""
    lines = [
        "# Every key of a config",
        "",
        schema["description"],
        "A table has the keys inside the key above it, and a dot stands for one more step inside.",
        "NAME is a name of your own.",
        "",
    ]
    sections = {key: _resolved(node, schema) for key, node in schema["properties"].items()}
    define = sections.pop("define")
    for part, node in define["properties"].items():
        sections[f"define.{part}.NAME"] = _resolved(node["additionalProperties"], schema)
    alone = {key: node for key, node in sections.items() if not node.get("properties")}
    lines += ["## Keys with one value", "", *_table(row for key in alone for row in _rows(key, sections[key], schema))]
    for key, node in sections.items():
        if key not in alone:
            needed = ", ".join(f"`{name}`" for name in node.get("required", []))
            lines += [f"## {key}", "", _meaning(node) + f" Needed: {needed}." * bool(needed), ""]
            lines += _table(row for name, inner in node["properties"].items() for row in _rows(name, inner, schema))
    return "\n".join(lines)


def _table(rows: Iterable[tuple[str, str, str, str]]) -> list[str]:
    head = ["| key | type and limits | default | meaning |", "|---|---|---|---|"]
    cells = ([text.replace("|", "\\|") for text in row] for row in rows)
    return [*head, *(f"| {' | '.join(row)} |" for row in cells), ""]


def _rows(key: str, node: Any, root: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """A row for a key, and one for each key inside it, unless its description refers to another key."""
    resolved = _resolved(node, root)
    default = yaml.safe_dump(resolved["default"], default_flow_style=True, width=1000) if "default" in resolved else ""
    default = default.removesuffix("\n").removesuffix("\n...")
    shown = f"`{default}`" if default and default != "{}" else ""
    meaning = _meaning(resolved)
    yield f"`{key}`", _type(resolved, root), shown, meaning
    if meaning.startswith(("As ", "Any of the keys of")):
        return
    for name, inner in resolved.get("properties", {}).items():
        yield from _rows(f"{key}.{name}", inner, root)
    others = resolved.get("additionalProperties")
    if isinstance(others, Mapping):
        yield from _rows(f"{key}.NAME", others, root)


def _meaning(node: Mapping[str, Any]) -> str:
    return " ".join(str(node.get("description", "")).split())


def _resolved(node: Any, root: Mapping[str, Any]) -> dict[str, Any]:
    """A node with what it refers to; its own words come first."""
    found = dict(node)
    others = [found.pop("$ref", None), *(part.get("$ref") for part in found.pop("allOf", []))]
    for other in filter(None, others):
        content: Any = root
        for part in other.removeprefix("#/").split("/"):
            content = content[part]
        content = _resolved(content, root)
        properties = content.get("properties", {}) | found.get("properties", {})
        words = [text for text in (found.get("description"), content.get("description")) if text]
        found = {**content, **found} | ({"properties": properties} if properties else {})
        if words and not words[0].startswith("As "):
            found["description"] = " ".join(dict.fromkeys(words))
    if "else" in found:  # a file, or how to read it
        found = {**found, **_resolved(found["else"], root)}
    return found


def _type(node: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """Type and limits of a value in words."""
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "const" in node:
        return f"`{node['const']}`"
    if "anyOf" in node:
        return ", or ".join(_type(_resolved(choice, root), root) for choice in node["anyOf"])
    if node.get("type") == "array":
        inner = _type(_resolved(node["items"], root), root)
        least = f"at least {node['minItems']}; " if "minItems" in node else ""
        unique = "no two alike; " if node.get("uniqueItems") else ""
        return f"list; {least}{unique}each {inner}"
    names = {"object": "keys", "string": "text", "integer": "whole number", "boolean": "true or false"}
    types = node.get("type", "object")
    words = [" or ".join(names.get(name, name) for name in ([types] if isinstance(types, str) else types))]
    limits = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    limits |= {"minLength": "longer than", "maxLength": "characters at most:"}
    words += [f"{word} {node[name]}" for name, word in limits.items() if name in node]
    if node.get("required"):
        words.append(f"with {', '.join(f'`{name}`' for name in node['required'])}")
    return ", ".join(words)


# Files of the project as pages.


def linked_files(text: str, folder: str) -> Iterator[str]:
    """Files of the project that a text in one of its folders links to."""
    for _, target, _ in LINK.findall(_without_code(text)):
        path = os.path.normpath(os.path.join(folder, target))  # noqa: PTH118  (the text of a link)
        if (PROJECT / path).is_file():
            yield path


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def place_of(path: str) -> str:
    """The page of the site, or the file below it, that a file of the project is."""
    if path in PLACES:
        return PLACES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.endswith(".md"):
        return path
    return f"files/{path}.md"


def _source_page(path: str) -> str:
    text = (PROJECT / path).read_text(encoding="utf-8")
    language = LANGUAGES.get(Path(path).suffix, "text")
    return f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n\n`````{language}\n{text}\n`````\n"


def _pages() -> dict[str, str]:
    """The text of every page that is not in docs/, by the path in the project of what it shows."""
    waiting = [*PLACES, *(path.relative_to(PROJECT).as_posix() for path in sorted((PROJECT / "docs").glob("*.md")))]
    pages: dict[str, str] = {}
    while waiting:
        path = waiting.pop()
        if path in pages:
            continue
        if path == SCHEMA:
            pages[path] = reference(yaml.safe_load((PROJECT / SCHEMA).read_text(encoding="utf-8")))
        elif path.endswith(".md"):
            pages[path] = (PROJECT / path).read_text(encoding="utf-8")
            waiting += linked_files(pages[path], Path(path).parent.as_posix())
        elif not path.startswith("docs/"):
            pages[path] = _source_page(path)
    return {path: text for path, text in pages.items() if not path.startswith("docs/")}


# What MkDocs calls.


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not in docs/."""
    from mkdocs.structure.files import File

    for path, text in _pages().items():
        files.append(File.generated(config, place_of(path), content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Have a page's links lead to pages of the site."""
    here = page.file.src_uri
    if here.startswith("files/") or here == REFERENCE:
        return markdown
    origin = next((path for path, place in PLACES.items() if place == here), None)
    if origin is None:
        origin = here if (PROJECT / here).is_file() and not (PROJECT / "docs" / here).is_file() else f"docs/{here}"
    folder = Path(origin).parent.as_posix()

    def led(link: re.Match[str]) -> str:
        path = os.path.normpath(os.path.join(folder, link[2]))  # noqa: PTH118  (the text of a link)
        if not (PROJECT / path).is_file():
            return link[0]
        return f"{link[1]}{os.path.relpath(place_of(path), Path(here).parent)}{link[3]}"

    return LINK.sub(led, markdown)

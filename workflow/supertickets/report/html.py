"""Pages in HTML: one look, no request to another host, and every value escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

from supertickets.files import replacing

#: Look of all pages. The colours are those of the figures, from seaborn's colour-blind palette.
STYLE = """
body {margin: 0; background: white; color: #222; font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif}
main {max-width: 1080px; margin: 0 auto; padding: 20px 24px 48px}
h1 {font-size: 26px; line-height: 1.25; margin: 8px 0 4px}
h2 {font-size: 19px; margin: 32px 0 8px}
p, li {max-width: 800px}
p.lead {font-size: 17px; color: #444; margin-top: 0}
p.note, figcaption {font-size: 13px; color: #555}
figure {margin: 8px 0}
img {max-width: min(100%, 880px)}
.wide {overflow-x: auto}
table {border-collapse: collapse; font-size: 14px; margin: 8px 0}
th, td {padding: 5px 10px; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top}
th {border-bottom: 2px solid #888; white-space: nowrap}
th.number, td.number {text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap}
code {font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; background: #f3f3f3; padding: 2px 4px}
pre {background: #f3f3f3; padding: 8px 12px; overflow-x: auto; margin: 4px 0 12px; max-width: 1056px}
pre code {padding: 0}
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style }}{% block style %}{% endblock %}</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
{% block body %}{% endblock %}
</main>
</body>
</html>
"""

#: A table: ``table(heads, rows)``, heads as pairs of a text and whether its column is of numbers.
MACROS = """
{%- macro table(heads, rows) %}
<div class="wide">
<table>
<thead><tr>
{%- for head, number in heads %}<th{% if number %} class="number"{% endif %}>{{ head }}</th>{% endfor -%}
</tr></thead>
<tbody>
{% for row in rows -%}
<tr>
{%- for cell in row %}<td{% if heads[loop.index0][1] %} class="number"{% endif %}>{{ cell }}</td>{% endfor -%}
</tr>
{% endfor -%}
</tbody>
</table>
</div>
{%- endmacro %}
"""

HEAD = '{% extends "page" %}{% from "macros" import table %}'


def write_html(path: Path, title: str, blocks: str, **values: Any) -> None:
    """Write a page.

    Args:
        path: HTML file to write.
        title: of the page.
        blocks: Jinja's block ``body``, and ``style`` where the page has a look of its own.
        values: what the blocks show. It is escaped, but where a block says ``safe``.
    """
    templates = {"page": PAGE.replace("{{ style }}", STYLE), "macros": MACROS, "this": HEAD + blocks}
    environment = Environment(loader=DictLoader(templates), autoescape=True, undefined=StrictUndefined)
    with replacing(path) as part:
        part.write_text(environment.get_template("this").render(title=title, **values), encoding="utf-8")

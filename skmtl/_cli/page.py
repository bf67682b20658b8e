"""A page of HTML in one file: no scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --faint: #5c5c5c; --paper: #fff;
  --line: #d8d8d8; --soft: #f4f6f8; --accent: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --faint: #a6a6a6;
  --paper: #16181b; --line: #3a3f45; --soft: #20242a; --accent: #6cb8e6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 1rem 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; padding-top: .5rem;
  border-top: 1px solid var(--line); }
p { margin: .5rem 0; max-width: 44rem; }
.note { color: var(--faint); font-size: .9rem; }
.verdict { background: var(--soft); border-left: .3rem solid var(--accent);
  padding: .6rem 1rem; max-width: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: .5rem 0;
  font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { color: var(--faint); font-weight: 600; }
tr.best td { font-weight: 600; }
img { width: 46rem; min-width: 30rem; max-width: 100%; height: auto;
  background: #fff; border-radius: .3rem;
  padding: .3rem; }
code { background: var(--soft); padding: .1rem .3rem; border-radius: .2rem;
  font-size: .9em; }
"""


def page(title: str, sections: Sequence[str]) -> str:
    """The whole document."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n"
        + "\n".join(sections)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(heading: str, *parts: str) -> str:
    return "\n".join(["<section>", f"<h2>{escape(heading)}</h2>", *parts, "</section>"])


def paragraph(text: str, kind: str = "") -> str:
    of_kind = f' class="{kind}"' if kind else ""
    return f"<p{of_kind}>{escape(text)}</p>"


def code(text: str) -> str:
    return f"<p><code>{escape(text)}</code></p>"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], best: int | None = None):
    """A table that scrolls on its own where it is too wide; one row may be marked."""
    lines = [
        '<div class="wide">',
        "<table>",
        f"<thead>{_row(header, 'th')}</thead>",
        "<tbody>",
    ]
    lines += [_row(row, "td", marked=k == best) for k, row in enumerate(rows)]
    return "\n".join([*lines, "</tbody>", "</table>", "</div>"])


def picture(uri: str, description: str) -> str:
    return f'<div class="wide"><img src="{uri}" alt="{escape(description)}"></div>'


def drawing(svg: str) -> str:
    """An SVG element, which has the colours of the text."""
    return f'<div class="wide">{svg}</div>'


def _row(cells: Sequence[str], tag: str, *, marked: bool = False) -> str:
    of_kind = ' class="best"' if marked else ""
    inside = "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells)
    return f"<tr{of_kind}>{inside}</tr>"

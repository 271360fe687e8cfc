"""HTML pages of the report: one file each, without scripts or external resources; all texts are escaped."""

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.common.errors import UserError
from pipeline.common.files import whole_file

MIME = {".svg": "image/svg+xml", ".png": "image/png"}
STYLE = """
body { font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #111; background: #fff; margin: 2rem auto;
  max-width: 72rem; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.2rem; margin-top: 2rem; }
p, li { max-width: 52rem; } td:first-child { min-width: 11rem; } img { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 0.875rem; margin: 1rem 0; }
caption { text-align: left; color: #444; padding-bottom: 0.4rem; max-width: 48rem; }
th, td { padding: 0.3rem 0.7rem; text-align: left; vertical-align: top; border-bottom: 1px solid #ccc; }
thead th { border-bottom: 2px solid #111; border-top: 2px solid #111; position: sticky; top: 0; background: #fff; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.head th { background: #eee; padding-top: 0.6rem; } code { font-size: 0.9em; overflow-wrap: anywhere; }
.strong { font-weight: 700; } .faint { color: #555; } .small { font-size: 0.875rem; }
"""
Row = Sequence[str]


def escape(text: object) -> str:
    """A text with HTML's special characters escaped."""
    return html.escape(str(text))


def page(title: str, *parts: str) -> str:
    """The HTML of a page; its parts are HTML already."""
    return "\n".join([
        "<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">', f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>", "</head>", "<body>", f"<h1>{escape(title)}</h1>", *parts, "</body>", "</html>", "",
    ])  # fmt: skip


def write(path: Path | str, title: str, *parts: str) -> None:
    """Write a page atomically."""
    with whole_file(path) as scratch:
        scratch.write_text(page(title, *parts), "utf-8")


def paragraph(text: str, css_class: str = "") -> str:
    """A paragraph of plain text; `css_class` is a class of the style sheet."""
    return f"<p{_class(css_class)}>{escape(text)}</p>"


def heading(text: str) -> str:
    """A second-level heading."""
    return f"<h2>{escape(text)}</h2>"


def bullet_list(items: Iterable[str]) -> str:
    """A bulleted list of plain texts."""
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def numbered_list(items: Iterable[str]) -> str:
    """A numbered list of plain texts."""
    return f"<ol>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ol>"


def table(header: Row, rows: Iterable[Row], numbers: Iterable[str] = (), caption: str = "") -> str:
    """A table of plain texts; columns named in `numbers` are aligned to the right, a row of one cell is a heading."""
    classes = ["n" if name in set(numbers) else "" for name in header]
    cells = zip(header, classes, strict=True)
    head = "".join(f'<th scope="col"{_class(css_class)}>{escape(name)}</th>' for name, css_class in cells)
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    body = "\n".join(_row(row, classes) for row in rows)
    return f"<table>{above}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


def picture(path: Path, alt: str) -> str:
    """An image, embedded into the page."""
    try:
        data = base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): draw it first") from error
    if path.suffix not in MIME:
        raise UserError(f"{path} ends in {path.suffix or 'nothing'} but must end in {' or '.join(MIME)}: rename it")
    return f'<div><img alt="{escape(alt)}" src="data:{MIME[path.suffix]};base64,{data}"></div>'


def _row(row: Row, classes: Sequence[str]) -> str:
    if len(row) == 1:
        return f'<tr class="head"><th colspan="{len(classes)}" scope="colgroup">{escape(row[0])}</th></tr>'
    cells = zip(row, classes, strict=True)
    return f"<tr>{''.join(f'<td{_class(cell_class)}>{escape(cell)}</td>' for cell, cell_class in cells)}</tr>"


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""

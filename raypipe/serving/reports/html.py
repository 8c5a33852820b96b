"""A report as HTML: the same typed content as in a terminal."""

from base64 import b64encode
from collections.abc import Iterable
from html import escape
from pathlib import Path

from raypipe.serving.reports.cells import cell_text, shown
from raypipe.serving.reports.content import Cell, Facts, Report, Table, Value
from raypipe.storage.files import read_bytes
from raypipe.storage.results import Measured


def report_html(report: Report) -> str:
    """The content, one piece below the other; for the body of a page.

    Example:
        >>> from raypipe.serving.reports.content import Line
        >>> print(report_html((Line("a < b"), Facts((("rows", 3),)))))
        <p>a &lt; b</p>
        <table class="facts"><tr><th scope="row">rows</th><td class="number">3</td></tr></table>
    """
    parts = []
    for content in report:
        if isinstance(content, Table):
            parts.append(_table(content))
        elif isinstance(content, Facts):
            parts.append(_facts(content))
        else:
            parts.append(f"<p>{escape(content.text)}</p>")
    return "\n".join(parts)


def pictures_html(results: Iterable[Measured]) -> str:
    """The pictures of evaluations, sweeps and attacks, inside the page."""
    parts = []
    for found in results:
        parts.append(f"\n<h2>{escape(found.title)}</h2>")
        for name in found.pictures:
            data = b64encode(read_bytes(found.path / name)).decode()
            words = escape(f"{found.title}: {name.removesuffix('.png')}")
            parts.append(f'<img class="wide" alt="{words}" src="data:image/png;base64,{data}">')
    return "\n".join(parts)


def whole_page(title: str, body: str) -> str:
    """A page that needs no other file."""
    style = read_bytes(Path(__file__).parent.parent / "http" / "static" / "raypipe.css").decode()
    name = escape(title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{style}</style></head><body><main><h1>{name}</h1>\n{body}\n</main>"
        "</body></html>\n"
    )


def _table(table: Table) -> str:
    heads = "".join(
        f'<th scope="col">{escape(name)}</th>' if name else "<td></td>" for name in table.columns
    )
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    caption = f"<caption>{escape(table.title)}</caption>" if table.title else ""
    inside = f"{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"
    label = escape(table.title or ", ".join(filter(None, table.columns)))
    region = f'role="region" aria-label="{label}"'  # it may scroll
    return f'<div class="wide" tabindex="0" {region}><table>{inside}</table></div>'


def _facts(facts: Facts) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{_cell(cell)}</tr>' for name, cell in facts.items
    )
    caption = f"<caption>{escape(facts.title)}</caption>" if facts.title else ""
    return f'<table class="facts">{caption}{rows}</table>'


def _cell(cell: Cell) -> str:
    number = not isinstance(shown(cell), str) or isinstance(cell, Value)
    best = isinstance(cell, Value) and cell.best
    text = escape(cell_text(cell))
    kind = ' class="number"' if number else ""
    return f"<td{kind}>{f'<strong>{text}</strong>' if best else text}</td>"

"""Cells of a report as text for people."""

from typing import Any

from raypipe.serving.reports.content import Cell, Value

#: Longer values are cut for people; JSON holds them whole.
_WIDEST = 200


def text(value: Any) -> str:
    """A value as text for people.

    Example:
        >>> text(1234567), text(0.5), text(1234.5), text(None), text("a")
        ('1,234,567', '0.500', '1,234.5', '-', 'a')
        >>> print(text("two" + chr(10) + "lines"))
        two\\nlines
    """
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}"
    if isinstance(value, int):
        return f"{value:,}"
    plain = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))
    return plain if len(plain) <= _WIDEST else f"{plain[:_WIDEST]}..."


def short(value: float | None, places: int = 3) -> str:
    """A number with three significant digits; below 1, with ``places`` decimals.

    Example:
        >>> [short(value) for value in (0.0123, -0.5, 1.0, 12.345, 1234.5, None)]
        ['.012', '-.500', '1.00', '12.3', '1,234', '-']
        >>> short(0.0003), short(0.0123, 4)
        ('.0003', '.0123')
    """
    if value is None:
        return "-"
    if 0 < abs(value) < 0.0005:
        places = max(places, 4)
    if abs(value) < 0.9995:
        return f"{value:.{places}f}".replace("0.", ".", 1)
    return f"{value:,.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"


def cell_text(cell: Cell) -> str:
    """A cell as text for people.

    Example:
        >>> cell_text(Value(0.2761, "short", 0.2684, 0.2839, best=True))
        '.276* .268-.284'
        >>> cell_text(Value(-0.002, "short", -0.005, -0.0003))
        '-.002 -.005 to -.0003'
        >>> cell_text(Value(5.3, "short")), cell_text(Value(2e6, "megabytes")), cell_text(None)
        ('5.30', '2.000', '-')
    """
    return text(shown(cell))


def shown(cell: Cell) -> str | int | float | None:
    """The value to show; numbers stay numbers unless they have a format of their own."""
    if not isinstance(cell, Value):
        return cell
    if cell.number is None:
        return "-"
    mark = "*" if cell.best else ""
    if cell.format == "megabytes":
        return cell.number / 1e6
    if cell.format == "exact":
        return f"{cell.number:.4f}{mark}"
    if cell.format == "plain" and not mark:
        return cell.number
    places = 4 if cell.format == "fine" else 3
    shown = f"{short(cell.number, places)}{mark}"
    if cell.low is None or cell.high is None:
        return shown
    to = " to " if cell.low < 0 else "-"
    return f"{shown} {short(cell.low, places)}{to}{short(cell.high, places)}"

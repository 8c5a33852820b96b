"""Sizes in bytes as text."""

from pydantic import ByteSize


def size(bytes_: int) -> str:
    """A size as text, with decimal units and one digit after the point.

    Example:
        >>> size(2_000_000_000)
        '2.0GB'
    """
    return ByteSize(bytes_).human_readable(decimal=True)


def _bytes(count: float) -> str:
    """A size as text, with decimal units and three significant digits."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while count >= 999.5 and len(units) > 1:
        count /= 1000
        units.pop(0)
    return f"{count:.3g} {units[0]}"

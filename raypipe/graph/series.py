"""Colours and markers that tell the series of a picture apart."""

from __future__ import annotations

#: Twelve colours: Okabe and Ito's seven, which people with any colour vision tell apart, and five
#: of other lightness between them.
COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",
    "#000000", "#7F3C8D", "#8B5A2B", "#7A7A7A", "#B2DF5A", "#8B0000",
)  # fmt: skip
MARKERS = "osD^vPX*<>ph"


def series_style(index: int) -> tuple[str, str]:
    """Colour and marker of a series; those of the first twelve are all different.

    Example:
        >>> series_style(0)
        ('#0072B2', 'o')
        >>> len({series_style(index) for index in range(144)})
        144
    """
    step = index // len(COLOURS)
    return COLOURS[index % len(COLOURS)], MARKERS[(index + step) % len(MARKERS)]

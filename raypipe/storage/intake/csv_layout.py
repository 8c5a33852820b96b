"""Layouts of text that are not one follow on each row: recognised in the first rows, and refused.

Without this, an adjacency list or KONECT's mixture of tabs and blanks would be read as other ids.
"""

from itertools import islice

import numpy as np

from raypipe.config import InputConfig
from raypipe.errors import InputError
from raypipe.storage.intake.csv_lines import count_values, find_lines, split_values
from raypipe.storage.intake.id_values import shown

_SAMPLE = 1000


def check_layout(
    path: str, head: bytes, width: int, delimiter: str, folds: bool, config: InputConfig
) -> None:
    """Check that the first rows of a file have the layout that the config says.

    Args:
        head: the first bytes of its rows, without the header.
        width: number of values in the header, or in the first row.
        folds: whether blanks and tabs are one delimiter.
    """
    spans = list(islice(find_lines(head), _SAMPLE))
    if len(spans) > 1 and spans[-1][1] == len(head):
        spans.pop()  # it may go on
    lines = [head[start:stop] for start, stop in spans]
    if config.comment:
        lines = [line for line in lines if not line.startswith(config.comment.encode())]
    if not lines or folds:
        return
    line = lines[0].decode("utf-8", "replace")
    if delimiter == " " and any(b"\t" in line or b"  " in line for line in lines):
        raise InputError(
            f"{path}: several blanks or tabs stand between values, as in {shown(line)}; set "
            "input.delimiter: whitespace"
        )
    counts = np.array([count_values(line, delimiter) for line in lines])
    bad = float(np.mean(counts != width))
    if config.header and bad > max(config.max_bad_fraction, 0.99) and np.all(counts == width + 1):
        ends = all(line.endswith(delimiter.encode()) for line in lines)
        why = "rows end with a delimiter" if ends else "probably R's row names"
        cure = "remove it" if ends else "write the file with row.names = FALSE"
        raise InputError(
            f"{path}: the header names {width} columns, but rows hold {width + 1} values, as "
            f"{shown(line)}: {why}; {cure}"
        )
    least, most = int(counts.min()), int(counts.max())
    if not config.header and len(counts) > 4 and bad > max(config.max_bad_fraction, 0.2):
        raise InputError(
            f"{path}: rows hold {least:,} to {most:,} values, as in an adjacency list; write one "
            "follow on each row: awk '{for (i = 2; i <= NF; i++) print $1, $i}' FILE"
        )
    for value in split_values(lines[0], delimiter) or ():
        if value[:1] + value[-1:] in (b"[]", b"{}") and b"," in value:
            raise InputError(
                f"{path}: a value holds a list, as {shown(value.decode('utf-8', 'replace'))}; "
                "write one follow on each row (DataFrame.explode)"
            )

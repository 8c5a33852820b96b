"""The table of kinds of input."""

from __future__ import annotations

from typing import Any, NamedTuple

HEAD = "followerId,followingId\n"
AB = [("ann", "bob")]


class Kind(NamedTuple):
    """An input, and what comes of it: follows and counts, or an error."""

    name: str
    files: dict[str, str | bytes]
    follows: list[tuple[str, str]] | None
    error: str | None
    quarantine: list[str]
    notices: list[str]
    settings: dict[str, Any]
    place: str


def good(name: str, data: Any, follows: Any = AB, file: str = "a.csv", **more: Any) -> Kind:
    """An input that is read."""
    files = data if isinstance(data, dict) else {file: data}
    place = more.pop("place", "." if isinstance(data, dict) else file)
    quarantine, notices = more.pop("quarantine", []), more.pop("notices", [])
    return Kind(name, files, follows, None, quarantine, notices, more, place)


def bad(name: str, data: Any, error: str, file: str = "a.csv", **settings: Any) -> Kind:
    """An input that is refused."""
    files = data if isinstance(data, dict) else {file: data}
    place = settings.pop("place", "." if isinstance(data, dict) else file)
    return Kind(name, files, None, error, [], [], settings, place)


MARKS = ["\\N", "NULL", "null", "None", "nan", "NaN", "NA", "<NA>"]
A_NULL_MARKS = [
    *(
        good(
            f"null mark {mark}",
            f"{HEAD}ann,bob\nann,{mark}\n{mark},bob\n",
            quarantine=[
                f"null mark {mark} in column followingId",
                f"null mark {mark} in column followerId",
            ],
        )
        for mark in MARKS
    ),
    good("null marks by config", HEAD + "ann,-\nann,NULL\n", [("ann", "NULL")], null=["-"],
         quarantine=["null mark - in column followingId"]),
    good("no null marks", HEAD + "ann,\\N\n", [("ann", "\\N")], null=[]),
    good("a null mark inside an id", HEAD + "NULLa,xNULL\n", [("NULLa", "xNULL")]),
    *(
        good(f"blank id {blank!r}", f'{HEAD}ann,bob\nann,"{blank}"\n',
             quarantine=["blank id in column followingId"])
        for blank in (" ", "   ", "\t", "\u00a0", "\u3000", "\u200b", "\u2060", " \u200b ")
    ),
    good("quoted empty id", HEAD + 'ann,bob\n"",bob\n',
         quarantine=["empty id in column followerId"]),
    good("a blank inside an id", HEAD + "ann b,\u00e9 \u00e9\n", [("ann b", "\u00e9 \u00e9")]),
]  # fmt: skip

REPEATED = "1 lines repeat the header, and are no rows, such as followerId,followingId"
MARK = "1 byte order marks inside a file were removed"
B_NO_ROWS = [
    good("repeated header", HEAD + "ann,bob\n" + HEAD, notices=[REPEATED]),
    good("repeated header with a mark", HEAD + "ann,bob\n\ufeff" + HEAD,
         notices=[MARK, REPEATED]),
    good("repeated header in quotes", HEAD + 'ann,bob\n"followerId","followingId"\n',
         notices=[REPEATED]),
    good("half a header is a row", HEAD + "followerId,bob\n", [("followerId", "bob")]),
    good("mark inside", HEAD + "\ufeffann,bob\n", notices=[MARK]),
    good("mark inside before a quote", HEAD + '\ufeff"ann",bob\n', notices=[MARK]),
    good("mark at the start", "\ufeff" + HEAD + "ann,bob\n"),
    good("line end in quotes", 'followerId,bio,followingId\nann,"a\nb, ""c""\n",bob\n'),
    good("line ends of Windows in quotes", 'followerId,bio,followingId\r\nann,"a\r\nb",bob\r\n'),
    good("line end in quotes, too many values", HEAD + 'ann,"a\nx,y",z\nann,bob\n',
         quarantine=["found 3 values, expected 2"]),
    good("open quote", HEAD + 'ann,"b\nann,bob\n', quarantine=['a quote (") is not closed']),
    good("sep=", "sep=,\n" + HEAD + "ann,bob\n"),
    good("sep= of Windows", "sep=;\r\nfollowerId;followingId\r\nann;bob\r\n", delimiter=";"),
    bad("sep= that says another delimiter", "sep=;\nfollowerId;followingId\nann;bob\n",
        "a.csv: its first line is sep=;; set input.delimiter to ';'"),
    bad("Matrix Market", "%%MatrixMarket matrix coordinate pattern general\n3 3 1\n1 2\n",
        "a.csv: is Matrix Market, whose second line holds sizes and no follow; grep -v '^%' FILE | "
        "tail -n +2 > follows.txt makes an edge list; read that with input.header: false and "
        "input.delimiter: whitespace", header=False, comment="%"),
    bad("R's row names", '"followerId","followingId"\n"1","ann","bob"\n"2","bob","cat"\n',
        "a.csv: the header names 2 columns, but rows hold 3 values, as '\"1\",\"ann\",\"bob\"': "
        "probably R's row names; write the file with row.names = FALSE", max_bad_fraction=0.01),
    bad("rows end with a delimiter", HEAD + "ann,bob,\nbob,cat,\n",
        "a.csv: the header names 2 columns, but rows hold 3 values, as 'ann,bob,': rows end with a "
        "delimiter; remove it", max_bad_fraction=0.01),
    good("R's row names with a name", '"","followerId","followingId"\n"1","ann","bob"\n'),
]  # fmt: skip

KINDS: list[Kind] = [*A_NULL_MARKS, *B_NO_ROWS]

"""Finished evaluations, sweeps and attacks, with their pictures: what the team looks at."""

from pathlib import Path
from typing import NamedTuple

from raypipe.storage import attacks, evaluations, files, sweeps

#: The file of the numbers of each kind, by the name of its folder.
_NUMBERS = {
    "evaluations": evaluations.RESULT,
    "sweeps": sweeps.RESULT,
    "attacks": attacks.RESULT,
}


class Measured(NamedTuple):
    """A finished evaluation, sweep or attack.

    Attributes:
        kind: ``evaluations``, ``sweeps`` or ``attacks``.
        numbers: name of the file with its numbers, JSON.
        pictures: names of its pictures, PNG.
    """

    kind: str
    path: Path
    numbers: str
    pictures: tuple[str, ...]

    @property
    def title(self) -> str:
        """Such as ``sweep 2026-03-01-1a2b3c4d``."""
        return f"{self.kind.removesuffix('s')} {self.path.name}"


def measured_in(folder: Path, most: int) -> tuple[Measured, ...]:
    """The newest results of each kind in ``folder/evaluations``, ``sweeps`` and ``attacks``."""
    found = []
    for kind, numbers in _NUMBERS.items():
        names = files.list_names(folder / kind, "*") if files.is_folder(folder / kind) else []
        whole = [name for name in names if files.is_file(folder / kind / name / numbers)]
        for name in sorted(whole, reverse=True)[:most]:
            path = folder / kind / name
            found.append(Measured(kind, path, numbers, tuple(files.list_names(path, "*.png"))))
    return tuple(found)

"""Software versions, which are stored with every run and evaluation."""

import platform
from importlib.metadata import version

import raypipe

_PACKAGES = ("ray", "modin", "pandas", "numpy", "numba", "pyarrow", "scipy", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions by name: raypipe, Python, and the packages that may change a result or its speed.

    Example:
        >>> versions()["raypipe"] == raypipe.__version__
        True
    """
    return {
        "raypipe": raypipe.__version__,
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }

"""raypipe: accounts you may want to follow, for every account, every night."""

__version__ = "0.1.0"

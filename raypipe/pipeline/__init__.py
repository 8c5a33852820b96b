"""One night: read, decide, make lists, check, publish; and what it will cost."""

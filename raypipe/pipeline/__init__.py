"""One night: read, decide, make lists, check, publish; and the prediction of its cost."""

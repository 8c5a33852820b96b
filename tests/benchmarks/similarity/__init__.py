"""The neighbour search beside other libraries: one table, one run. `make bench-similarity`."""

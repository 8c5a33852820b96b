"""The follow graph as arrays, its statistics, degree tables and the demo network."""

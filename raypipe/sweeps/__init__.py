"""Sweeps: hyperparameter search. Only ``ray_tune`` uses Ray.

space       the search space: the possible values of each parameter
search      the search algorithms: the point of the space that each trial takes
trials      trial events, trial results, the best trial, and a table of trials
record      the event log on disk, from which a killed sweep continues
objective   the interface of an objective; rating_objective and follow_objective implement it
plots       pictures of a sweep
"""

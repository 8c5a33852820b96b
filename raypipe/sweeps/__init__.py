"""Sweeps: hyperparameter search. Only ``ray_tune`` uses Ray.

space       the search space: the possible values of each parameter
search      the search algorithms: the point of the space that each trial takes
trials      trial results, the best trial, and a table of trials
record      the event log on disk, from which a killed sweep continues
objectives  the objective by kind of data: rating_objective, follow_objective
objective   the interface of an objective
watch       trial events
plots       pictures of a sweep
"""

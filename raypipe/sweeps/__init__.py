"""Sweeps: which parameters are best, tried out. Nothing here knows Ray.

space       the search space: what a parameter may be
search      which point of it a trial takes
trials      what came of a trial; which is best; a table of them
record      what has happened, on disk: a sweep that is killed goes on from here
objectives  what is measured, by kind of data: rating_objective, follow_objective
objective   what such a kind has to say
watch       the progress table
plots       pictures of a sweep
"""

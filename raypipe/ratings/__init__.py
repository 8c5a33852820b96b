"""Ratings of items by users: read, split into folds, trained on, measured.

algorithms  the algorithms by name, and their parameters
data        the ratings as arrays, and their folds
cost        memory and seconds of a training, before it starts
training    one algorithm on one fold
measures    RMSE, MAE, FCP
evaluate    all folds of all algorithms, in shards; what a sweep measures
"""

"""Several sources as one list: by weights that are set, or by a ranker that learned them.

sources --best of each--> merged --features--> scores --best, none too much from one source--> list
"""

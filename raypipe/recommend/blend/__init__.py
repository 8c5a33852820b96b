"""Blend several sources into one list: by rank fusion with fixed weights, or by a learned ranker.

sources --best of each--> candidate union --features--> scores --best, limited per source--> list
"""

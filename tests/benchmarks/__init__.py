"""Figures, measured on the machine at hand: `make bench`. Not part of the test suite.

Times of a shared machine vary, so what is compared runs in one process, in turns, and medians and
ratios are reported.
"""

"""Numeric kernels: NumPy and Numba only, arrays in, arrays out.

Kernels know nothing of frames, files, Ray or logging. Their Numba types stay lazy: Ray hands out
read-only arrays, which an explicit Numba signature would refuse.

A *code* is the index of an account in a graph of n accounts: 0 to n - 1, in the order of their ids.
"""

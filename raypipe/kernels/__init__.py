"""Numeric kernels: NumPy and Numba only, arrays in, arrays out.

Nothing here knows of frames, files, Ray or logging. Signatures stay lazy (no explicit Numba types)
because the arrays that Ray hands out are read-only, which an explicit signature would refuse.
"""

"""Numeric kernels: NumPy and Numba only, arrays in, arrays out.

Kernels know nothing of frames, files, Ray or logging. Their Numba types stay lazy: Ray hands out
read-only arrays, which an explicit Numba signature would refuse.

A *code* is the index of an account in a graph of n accounts: 0 to n - 1, in the order of their ids.

Arguments with these names mean the same in all kernels:

    followees, followers    both sides of a graph; row a holds the followees, or followers, of a
    rejected                row a holds the accounts that a has rejected
    accounts, rows          int[m], codes
    near                    the neighbours of these accounts
    retrieved               bool[n], False for accounts that must not be retrieved
    wanted                  int64[m], maximum number of candidates of each account
    k                       maximum number of neighbours, at least 1
    threshold               neighbours are more similar; (numerator, denominator), exact, in [0, 1)
    rule                    orders candidates with equal scores
"""

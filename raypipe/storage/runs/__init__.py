"""WRITE: finished runs, immutable, and which of them readers see.

parts      published tables in Parquet: written, and read account by account
staging    the workplace of a run that is not finished, and its checkpoints
run        a finished run and its manifest
history    run ids, and what was published when
store      the runs folder: lock, finish, publish, roll back, prune
"""

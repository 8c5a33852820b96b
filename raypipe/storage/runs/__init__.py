"""Storage of runs: finished runs, which never change, and the pointer to the published one.

parts      published tables in Parquet: write them, and read the rows of one account
staging    the folder of an unfinished run, and its checkpoints
run        a finished run and its manifest
history    run ids, and the history of publications
store      the runs folder: lock, finish, publish, roll back, prune
"""

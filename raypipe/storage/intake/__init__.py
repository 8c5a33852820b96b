"""READ: from input files to a checked frame of follows and a quarantine.

inputs     the input files of a night: listed, looked at and opened once
formats    the input formats, one row each: csv_blocks (with csv_lines), parquet_blocks
blocks     what formats share: a file's columns, the check of every row
columns    which columns are read, and what they become
transform  the user's own step on the frame
read       all of it
"""

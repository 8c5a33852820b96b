"""READ: from input files to a checked frame of follows and a quarantine.

inputs     the input files of a night: listed, looked at and opened once
formats    the input formats, one row each: csv_blocks (with csv_lines, csv_layout), json_lines,
           parquet_blocks
texts      text files, plain or packed; signatures: what a file is by its first bytes
blocks     what formats share: a file's columns, the check of every row; values: of one column
id_values  null marks, blanks and normalisations of ids
columns    which columns are read, and what they become
events     event logs and signed edges; times: times of follows
transform  the user's own step on the frame
spellings  ids that may be one account, and ids of lists that are unknown
read       all of it
"""

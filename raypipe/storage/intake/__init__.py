"""READ: from input files to a checked frame of follows and a quarantine.

files      which they are, what each is, which of its columns are read
csv_blocks, csv_lines, parquet_blocks
           one block of a file -> rows, and the rows that are none (blocks)
transform  the user's own step on the frame
read       all of it, and which kind of frames suits the size of the input
"""

"""Everything that touches a disk, a bucket or a database."""

"""Who follows whom, as arrays, and its numbers."""

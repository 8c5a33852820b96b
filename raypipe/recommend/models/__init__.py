"""Models of who follows whom: accounts as numbers, learned from the follows."""

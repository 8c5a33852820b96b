"""Factor models of the follows: vectors of accounts, learned from the follows."""

"""What a night will cost, measured on a sample of its own accounts."""

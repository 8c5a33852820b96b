"""The predicted cost of a night, measured on a sample of its accounts."""

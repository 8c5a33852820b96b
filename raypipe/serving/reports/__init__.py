"""What reports say, as typed content; terminals and pages render it."""

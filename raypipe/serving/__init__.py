"""What one account sees, now."""

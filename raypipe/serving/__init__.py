"""Serving: what one account sees now."""

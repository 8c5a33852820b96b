"""Which candidates may be shown to which account."""

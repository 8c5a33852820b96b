"""How far accounts can be trusted: labels, which filters, sources and reports read."""

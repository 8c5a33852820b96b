"""Attacks on the follows: fake accounts are injected, and what they have bought is measured."""

"""From a follow graph to lists with reasons: pure functions that run in tasks."""

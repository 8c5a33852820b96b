"""The HTTP API: lists, feedback and runs over FastAPI. Only ``raypipe serve`` imports it."""

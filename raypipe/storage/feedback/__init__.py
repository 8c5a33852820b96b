"""Feedback of accounts on their recommendations: rejections, in SQLite or PostgreSQL."""

"""What accounts say about their recommendations: rejections, in SQLite or PostgreSQL."""

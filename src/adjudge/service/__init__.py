"""adjudge service."""

"""adjudge define."""

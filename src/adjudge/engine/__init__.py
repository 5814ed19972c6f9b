"""adjudge engine."""

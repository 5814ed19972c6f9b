"""adjudge log."""

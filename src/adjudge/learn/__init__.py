"""adjudge learn."""

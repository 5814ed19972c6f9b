"""adjudge models."""

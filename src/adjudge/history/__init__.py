"""adjudge history."""

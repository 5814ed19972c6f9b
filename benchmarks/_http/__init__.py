"""The two services that the `http` benchmark compares, and what they decide."""

"""What the `soak` benchmark is made of: a system whose state is bounded by its definition, and traffic without end."""

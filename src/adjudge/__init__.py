"""Real-time machine-learning decisions."""

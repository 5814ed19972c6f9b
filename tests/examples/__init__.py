"""The examples: each runs, and the case studies hold at their boundaries."""

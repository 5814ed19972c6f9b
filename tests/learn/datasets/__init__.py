"""Public data sets: small made-up files of their shape, and the real ones where they are at hand."""

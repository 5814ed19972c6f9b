"""The engine: hashing, expressions on columns, plans and steps."""

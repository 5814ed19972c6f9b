"""Decision systems, one folder each."""

"""Reports of what a system did, from its log alone."""

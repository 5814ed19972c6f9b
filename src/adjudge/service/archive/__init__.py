"""Archiving: the beginning of a log moves to files, and everything that the rest needs of it stays."""

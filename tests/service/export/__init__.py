"""Tests of the export of a log, and of queries over it."""

"""Tests of the log's implementations: what goes wrong, and what is made of the log."""

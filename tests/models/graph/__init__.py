"""Tests of adjudge.models.graph."""

"""Tests of adjudge.models."""

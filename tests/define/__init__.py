"""Definitions: expressions, rules, events, features."""

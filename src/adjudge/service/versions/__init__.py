"""Changing what decides while it decides: one entry of the log at one position, before which nothing is different.

Rules, lists, policy, model or all definitions of a system are revised into another plan; the entry says what decides
from there on, whoever folds the log.
"""

"""Governance: what a system did in a period, who let it, and what it was worth, from the log alone.

A report repeats what entries say and counts them; it has no source of its own, so two people get the same one.
"""

"""Alerts: what is the matter is an entry of the log first, and whoever must know is told because the entry is there.

A look says what was the matter at a moment; it is logged with what has come of it, so that incidents are a projection
of the log like keys and releases, and messages leave it through the outbox: signed, in order, at least once.
"""

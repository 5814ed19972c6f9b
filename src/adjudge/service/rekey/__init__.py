"""Rekeying: the workspace's secret is replaced, and everything that was hashed with the old one is moved.

A hash cannot be inverted, so moving is folding the log again with the new secret. Whoever does that must not need the
old secret, nor any value that has become unreadable since: the entry of the log (`entry`) therefore holds, sealed under
the new secret, which hash became which (`collect`), and whoever folds or reads earlier entries asks that (`moved`).
"""

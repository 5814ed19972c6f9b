"""Alerts of a workspace: entries, routes, delivery."""

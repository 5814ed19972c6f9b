"""Schedules: verbs at their times."""

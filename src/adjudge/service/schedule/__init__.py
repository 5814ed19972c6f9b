"""Schedules of one machine: verbs of the command line at their times, one after another, each in a process of its own.

Whoever has a cron or an orchestrator gives it the same words; nothing can be scheduled here that cannot be typed.
"""

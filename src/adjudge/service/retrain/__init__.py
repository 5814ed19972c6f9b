"""Retraining: what a log has learnt becomes a bundle that is judged, described and registered, and decides nothing.

Every step leaves a stamped artefact in a run's folder. A run that was killed goes on where it stood; until its last
step, one entry of the log, nothing anywhere is different.
"""

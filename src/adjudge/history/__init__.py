"""What is remembered of each key, and exact sliding windows over it.

A history is a short list of rows in the order of their time. A feature is a function of the rows inside a window and of
the event in hand; no running totals are kept, so nothing drifts, and late events, labels and corrections are nothing
special: they change the rows.
"""

from __future__ import annotations

from adjudge.history.codes import ADVANCE, INSERT, LABEL, RETRACT, SCAN
from adjudge.history.histories import Histories, Row, Stats
from adjudge.history.layout import Aggregation, Layout, Measure
from adjudge.history.profiles import Profiles

__all__ = [
    "ADVANCE",
    "INSERT",
    "LABEL",
    "RETRACT",
    "SCAN",
    "Aggregation",
    "Histories",
    "Layout",
    "Measure",
    "Profiles",
    "Row",
    "Stats",
]

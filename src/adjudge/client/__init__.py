"""Talking to a service from Python: typed answers, retries that decide nothing twice, deadlines.

It needs neither the engine nor numpy, so a shop that only asks for decisions imports it in a fraction of a second.
"""

from adjudge.client.answers import (
    Answers,
    CatalogueRow,
    Decision,
    Done,
    EntityFeatures,
    LogEntry,
    LogPage,
    Readiness,
    Reason,
    StoredDecision,
    Waiting,
    WaitingChange,
)
from adjudge.client.asynchronous import AsyncClient
from adjudge.client.blocking import Client
from adjudge.client.options import Options, Timing

__all__ = [
    "Answers",
    "AsyncClient",
    "CatalogueRow",
    "Client",
    "Decision",
    "Done",
    "EntityFeatures",
    "LogEntry",
    "LogPage",
    "Options",
    "Readiness",
    "Reason",
    "StoredDecision",
    "Timing",
    "Waiting",
    "WaitingChange",
]

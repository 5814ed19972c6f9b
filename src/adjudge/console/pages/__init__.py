"""The pages of the console, one module each."""

from __future__ import annotations

from adjudge.console.page import Page
from adjudge.console.pages import alerts, challengers, decision, decisions, lists, overview, releases, review, rules

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    decisions.PAGE,
    review.PAGE,
    rules.PAGE,
    lists.PAGE,
    releases.PAGE,
    challengers.PAGE,
    alerts.PAGE,
    decision.PAGE,
)
"""Every page, in the order of the navigation."""

"""The pages of the console, one module each."""

from __future__ import annotations

from adjudge.console.page import Page
from adjudge.console.pages import (
    alerts,
    case,
    cases,
    challengers,
    decision,
    decisions,
    drift,
    hotspots,
    linked,
    lists,
    money,
    overview,
    releases,
    review,
    rules,
)

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    decisions.PAGE,
    cases.PAGE,
    review.PAGE,
    money.PAGE,
    hotspots.PAGE,
    rules.PAGE,
    lists.PAGE,
    releases.PAGE,
    challengers.PAGE,
    drift.PAGE,
    alerts.PAGE,
    decision.PAGE,
    case.PAGE,
    linked.PAGE,
)
"""Every page, in the order of the navigation."""

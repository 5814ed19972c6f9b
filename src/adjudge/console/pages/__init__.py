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
    log,
    money,
    overview,
    performance,
    releases,
    review,
    rules,
    thresholds,
)

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    drift.PAGE,
    alerts.PAGE,
    log.PAGE,
    decisions.PAGE,
    cases.PAGE,
    review.PAGE,
    money.PAGE,
    hotspots.PAGE,
    thresholds.PAGE,
    performance.PAGE,
    rules.PAGE,
    lists.PAGE,
    releases.PAGE,
    challengers.PAGE,
    decision.PAGE,
    case.PAGE,
    linked.PAGE,
)
"""Every page, in the order of the navigation."""

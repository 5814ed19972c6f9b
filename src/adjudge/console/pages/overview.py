"""The overview: what the service is doing now, and how well."""

from __future__ import annotations

from nicegui import ui

from adjudge.console.desk import Desk
from adjudge.console.markup import tag
from adjudge.console.page import Page, Query
from adjudge.service.access.routes import Door


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    health = desk.service.gauges.health()
    ui.html(tag("p", f"The service is {health.state} at position {health.position:,}."), sanitize=False)


PAGE = Page("/overview", "Overview", Door.ANY, show, nav="Overview", key="o")

"""The pages of the console, one module each."""

from __future__ import annotations

from adjudge.console.page import Page
from adjudge.console.pages import decision, decisions, overview

PAGES: tuple[Page, ...] = (overview.PAGE, decisions.PAGE, decision.PAGE)
"""Every page, in the order of the navigation."""

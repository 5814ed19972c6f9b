"""The pages of the console, one module each."""

from __future__ import annotations

from adjudge.console.page import Page
from adjudge.console.pages import overview

PAGES: tuple[Page, ...] = (overview.PAGE,)
"""Every page, in the order of the navigation."""

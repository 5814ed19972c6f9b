"""How Sphinx builds these pages; `make docs` runs it."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "adjudge"
author = "The adjudge authors"
copyright = "The adjudge authors, Apache License 2.0"
version = release = version_of("adjudge")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = False

myst_enable_extensions = ["attrs_block"]
myst_heading_anchors = 3
myst_url_schemes = {"http": None, "https": None, "mailto": None}
suppress_warnings = ["myst.xref_missing"]  # links to files outside docs/ are held by tests/test_readme.py

default_role = "code"  # docstrings write names in single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False

html_theme = "alabaster"
html_theme_options = {
    "description": "Real-time decisions, provably the same in training and service",
    "fixed_sidebar": True,
    "page_width": "1080px",
    "font_family": "system-ui, sans-serif",
    "code_font_family": "ui-monospace, monospace",
}
html_show_sourcelink = False

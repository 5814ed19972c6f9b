"""Who works at the console in the tests, and what a wicked one would send."""

from __future__ import annotations

PEOPLE = {
    "analyst": ["review", "label"],
    "manager": ["review", "manage"],
    "second": ["manage"],
    "engineer": ["review", "manage", "audit"],
    "sender": ["decide"],
}
"""Who has a key, and for what."""

WICKED = """<img src=x onerror="window.hacked=1">'"><script>window.hacked=1</script>"""
"""What a field may hold that would like to run."""

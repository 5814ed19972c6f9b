"""The guide shows every page as it is: its pictures are taken here."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import pytest

from adjudge.console.mount import COOKIE
from adjudge.console.pages import PAGES
from tests.console.conftest import SIZE, Visit
from tests.documents import ROOT

GUIDE = ROOT / "docs" / "guides" / "desk.md"

SHOWN = {
    "overview": "/overview",
    "decisions": "/decisions?q=u-busy",
    "decision": "/decision?id=pbusy-5&system=shop",
    "cases": "/cases",
    "case": "/case?id=p1-43&system=shop",
    "linked": "/linked?field=user&value=u4&system=shop",
    "review": "/review",
    "money": "/money",
    "hotspots": "/hotspots",
    "drift": "/drift",
    "log": "/log",
    "thresholds": "/thresholds",
    "performance": "/performance",
    "rules": "/rules",
    "lists": "/lists",
    "releases": "/releases",
    "challengers": "/challengers",
    "alerts": "/alerts",
}
"""The picture of each page, by its name in the guide."""

LOOKS = frozenset(("money", "hotspots", "drift", "thresholds", "performance", "log"))
"""Pages that are shown where weeks have passed."""

ANALYSTS = frozenset(("cases", "case"))
"""Pages that are shown as somebody sees them who may say what is true."""


def test_every_page_has_its_picture_in_the_guide() -> None:
    assert {f"/{name}" for name in SHOWN} == {page.path for page in PAGES}
    pictures = re.findall(r"!\[[^\]]+\]\(desk/([a-z-]+)\.png\)", GUIDE.read_text(encoding="utf-8"))
    assert set(pictures) == {"sign-in", "keys", *SHOWN}
    for name in pictures:
        head = (GUIDE.parent / "desk" / f"{name}.png").read_bytes()[:24]
        assert struct.unpack(">II", head[16:]) == (SIZE["width"], SIZE["height"]), name


@pytest.mark.slow
def test_the_pictures_can_be_taken(visit: Visit, tmp_path: Path) -> None:
    """With ADJUDGE_SCREENSHOTS naming a folder they are kept there: `make screenshots` names that of the guide."""
    folder = Path(os.environ.get("ADJUDGE_SCREENSHOTS", "") or tmp_path)
    visit.theme("light")
    visit.page.goto(f"{visit.served.url}/console")
    visit.shot(folder / "sign-in.png")
    for name, path in sorted(SHOWN.items(), key=lambda item: item[0] not in ANALYSTS):
        if name in LOOKS:
            continue
        who = "analyst" if name in ANALYSTS else "engineer"
        if not visit.page.locator(".who", has_text=who).count():
            visit.page.context.clear_cookies(name=COOKIE)
            visit.sign_in(who)
        visit.go(path)
        visit.page.wait_for_selector(".panel")
        visit.page.wait_for_function("document.querySelectorAll('time[datetime]:not([data-told])').length === 0")
        visit.shot(folder / f"{name}.png")
    visit.page.keyboard.press("?")
    visit.page.wait_for_selector("dialog[open]")
    visit.shot(folder / "keys.png")
    assert visit.errors == []


@pytest.mark.slow
def test_the_pictures_of_looks_can_be_taken(long_visit: Visit, tmp_path: Path) -> None:
    visit = long_visit
    folder = Path(os.environ.get("ADJUDGE_SCREENSHOTS", "") or tmp_path)
    visit.theme("light")
    visit.sign_in("engineer")
    for name in sorted(LOOKS):
        visit.go(SHOWN[name])
        visit.page.wait_for_selector("text=/it took [0-9]+ s/")
        visit.page.wait_for_function("document.querySelectorAll('time[datetime]:not([data-told])').length === 0")
        visit.shot(folder / f"{name}.png")
    assert visit.errors == []

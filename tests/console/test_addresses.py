"""What an address says is taken as it is meant, or not at all; a page is there whatever somebody has typed."""

from __future__ import annotations

import pytest

from adjudge.console.page import DIGITS, whole
from adjudge.console.pages import PAGES
from tests.console.conftest import Visit

NUMBERS = ("days", "start", "before", "review", "block")


@pytest.mark.parametrize("said", ["", "-1", "+1", "1.0", "1e3", " 7", "\u0667", "²", "9" * (DIGITS + 1), "0" * 5_000])
def test_what_is_no_number_that_a_page_could_mean_is_none(said: str) -> None:
    assert whole({"days": said}, "days") is None


@pytest.mark.parametrize("said", ["0", "7", "9" * DIGITS])
def test_a_number_of_an_address_is_that_number(said: str) -> None:
    assert whole({"days": said}, "days") == int(said)


@pytest.mark.slow
def test_no_page_fails_for_a_number_that_nobody_could_mean(visit: Visit) -> None:
    visit.sign_in("engineer")
    plain = [page.path for page in PAGES if page.nav]
    assert len(plain) > 10
    for path in plain:
        for said in ("9" * 5_000, "9" * 400, "²"):
            asked = "&".join(f"{name}={said}" for name in NUMBERS)
            answer = visit.page.request.get(f"{visit.served.url}/console{path}?{asked}")
            assert answer.status == 200, (path, said[:5])

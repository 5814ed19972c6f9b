"""Asking the API of a served shop, beside its screen."""

from __future__ import annotations

from typing import Any

import httpx

from tests.console.conftest import Served


def ask(served: Served, path: str, who: str = "engineer") -> Any:
    """Ask the API as somebody."""
    answer = httpx.get(f"{served.url}{path}", headers={"authorization": f"Bearer {served.keys[who]}"})
    assert answer.is_success, answer.text
    return answer.json()


def tell(served: Served, path: str, body: Any, who: str = "manager") -> Any:
    """Send the API something as somebody."""
    answer = httpx.post(f"{served.url}{path}", json=body, headers={"authorization": f"Bearer {served.keys[who]}"})
    assert answer.is_success, answer.text
    return answer.json()

"""Schemathesis reads the OpenAPI document and sends what it allows, and what it does not."""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

from adjudge.service.access.keys import Grant, create
from adjudge.service.access.ledger import By
from adjudge.service.access.scope import Scope
from adjudge.service.app import Service
from tests.service.shop import Shop, shop

load_all_checks()
SERVICE = Service(Shop(shop()).decider)
KEY = create(
    SERVICE.decider.workspace.management.keys,
    SERVICE.decider,
    Grant("tester", [*Scope]),
    By("tester", "everything is tested"),
)
HEADERS = {"Authorization": f"Bearer {KEY.text}"}
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", SERVICE, headers=HEADERS)

EXAMPLES = max(12, int(os.environ.get("ADJUDGE_FUZZ", "0")) // 1000)
"""Tries of each route and way of going wrong; `make fuzz` asks for more."""

LEFT_OUT = {
    "positive_data_acceptance": "future dates, unknown labels and repeated ids have the right shape",
    "missing_required_header": "no header is required",
    "use_after_free": "nothing is deleted",
    "ensure_resource_availability": "what was created is not at an address of its own",
    "object_level_authorization": "nobody owns a decision or a key: scopes say who may do what with all of them",
}
"""Checks that do not apply, and why."""

KEPT = [check for name in CHECKS.get_all_names() if name not in LEFT_OUT for check in CHECKS.get_by_names([name])]


def test_left_out_checks_exist() -> None:
    """A check that was renamed must not stay left out under its old name."""
    assert set(LEFT_OUT) <= set(CHECKS.get_all_names())


@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")
@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_service_does_what_its_document_says(case: schemathesis.Case[Any]) -> None:
    """No server errors, only documented answers of the documented shapes, nothing malformed accepted."""
    case.call_and_validate(checks=KEPT, headers=HEADERS)  # type: ignore[arg-type]

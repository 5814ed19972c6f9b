"""The routes of cases in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjudge.service.cases.asked import Assign, Decide, Defer, Escalate, HandBack, Limit, Next, Undo, Work, Write
from adjudge.service.cases.people import PeopleList, Person
from adjudge.service.cases.view import CASE_SHAPES

SHAPES = (*CASE_SHAPES, PeopleList, Person, Next, Assign, HandBack, Write, Limit, Decide, Undo, Defer, Escalate, Work)
"""What routes take and answer."""

READ = {
    "/v1/cases": ("CasePage", "The cases, in order."),
    "/v1/cases/summary": ("Summary", "How review goes."),
    "/v1/cases/people": ("PeopleList", "Who gave verdicts lately."),
    "/v1/cases/one/{id}": ("CaseDetail", "The case, its decision, and what it hangs together with."),
}
"""Routes that read, with what they answer."""

ASKED = {
    "/v1/cases/next": ("Next", "CaseView", "The case, or null."),
    "/v1/cases/assign": ("Assign", "DoneList", "What became of each."),
    "/v1/cases/release": ("HandBack", "DoneList", "What became of each."),
    "/v1/cases/note": ("Write", "DoneList", "What became of each."),
    "/v1/cases/due": ("Limit", "DoneList", "What became of each."),
    "/v1/cases/decide": ("Decide", "DoneList", "What became of each."),
    "/v1/cases/undo": ("Undo", "DoneList", "What each waits for again."),
    "/v1/cases/defer": ("Defer", "DoneList", "What became of each."),
    "/v1/cases/escalate": ("Escalate", "DoneList", "What became of each."),
    "/v1/cases/routine": ("Work", "Summary", "How review goes from here on."),
}
"""Routes that change something: what they take, and what they answer."""


def describe_cases(
    paths: dict[str, Any],
    body: Callable[..., Any],
    content: Callable[[str, str], Any],
    refusals: dict[str, Any],
) -> None:
    """Describe the routes of cases.

    Parameters
    ----------
    paths
        Of the document.
    body, content, refusals
        Make the parts of a route.
    """
    for path, (answer, words) in READ.items():
        route = paths[path]["get"]
        route["tags"] = ["review"]
        route["responses"] = {"200": content(answer, words)}
        route["responses"] |= {code: refusals[code] for code in ("404", "422")}
    for path, (shape, answer, words) in ASKED.items():
        route = paths[path]["post"]
        route["tags"] = ["review"]
        route["requestBody"] = body({"$ref": f"#/components/schemas/{shape}"}, many=False)
        route["responses"] = {"200": content(answer, words)} | refusals

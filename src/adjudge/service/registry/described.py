"""The routes of releases in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjudge.service.registry.api import MEDIA
from adjudge.service.registry.asked import Assent, Registration, ReleaseList
from adjudge.service.registry.entries import Release

SHAPES = (Release, ReleaseList, Registration, Assent)
"""What routes take and answer."""

READ = {
    "/v1/releases": ("ReleaseList", "The releases."),
    "/v1/releases/{id}": ("Release", "The release."),
}
"""Routes that read, with what they answer."""

ASKED = {
    "/v1/releases": ("Registration", "201", "Release", "The release."),
    "/v1/releases/{id}/approve": ("Assent", "200", "Release", "The release with the approval."),
    "/v1/releases/{id}/promote": ("Assent", "200", "Activated", "What decides from here on."),
}
"""Routes that change something: what they take, and what they answer."""


def describe_releases(
    paths: dict[str, Any],
    body: Callable[..., Any],
    content: Callable[[str, str], Any],
    refusals: dict[str, Any],
) -> None:
    """Describe the routes of releases.

    Parameters
    ----------
    paths
        Of the document.
    body, content, refusals
        Make the parts of a route.
    """
    packed = {MEDIA: {"schema": {"type": "string", "format": "binary"}}}
    for path, (answer, words) in READ.items():
        route = paths[path]["get"]
        route["tags"] = ["manage"]
        route["responses"] = {"200": content(answer, words)} | {code: refusals[code] for code in ("404", "422")}
    for path, (shape, status, answer, words) in ASKED.items():
        route = paths[path]["post"]
        route["tags"] = ["manage"]
        route["requestBody"] = body({"$ref": f"#/components/schemas/{shape}"}, many=False)
        route["responses"] = {status: content(answer, words)} | refusals
    card = paths["/v1/releases/{id}/card"]["get"]
    card["tags"] = ["manage"]
    text = {"description": "The model card.", "content": {"text/markdown": {"schema": {"type": "string"}}}}
    card["responses"] = {"200": text} | {code: refusals[code] for code in ("404", "422")}
    package = paths["/v1/releases/{id}/package"]["post"]
    package["tags"] = ["manage"]
    package["requestBody"] = body({"$ref": "#/components/schemas/Assent"}, many=False)
    package["responses"] = {"200": {"description": "The package.", "content": packed}} | refusals
    taken = paths["/v1/packages"]["post"]
    taken["tags"] = ["manage"]
    taken["requestBody"] = {"required": True, "content": packed}
    taken["responses"] = {"201": content("Release", "The release.")} | refusals

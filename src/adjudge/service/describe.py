"""The service described: one OpenAPI document for all routes, the hot path included, and a page of it."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse

from adjudge.define import Field, Schema
from adjudge.define.event import MINOR_DIGITS
from adjudge.engine.read import CatalogueRow
from adjudge.service.access.api import KeyList, NewKey, Revocation, Rotation
from adjudge.service.access.routes import Door, Need
from adjudge.service.access.view import Issued, KeyView
from adjudge.service.alerts.desks import AlertsView, NewSilence, Noted
from adjudge.service.alerts.looks import Looked, NewLook
from adjudge.service.around.view import AROUND_SHAPES
from adjudge.service.card import StoredAnswer
from adjudge.service.cases.described import SHAPES as CASES
from adjudge.service.cases.described import describe_cases
from adjudge.service.challengers.asked import Challenge, ChallengerList, ChallengerView, Ending, Sharing
from adjudge.service.challengers.judge import Standings
from adjudge.service.health import Health
from adjudge.service.marks import LABELS, OUTCOMES, RETRACTIONS, Waiting
from adjudge.service.personal.api import ErasureDone, NewErasure
from adjudge.service.problem import CONTENT_TYPE, Problem
from adjudge.service.registry.described import SHAPES as RELEASES
from adjudge.service.registry.described import describe_releases
from adjudge.service.versions.beside import Progress
from adjudge.service.versions.desk import Activated, ActiveSystems, HeldList
from adjudge.service.versions.revision import Revision
from adjudge.service.versions.second import Answer, ProposalList, ProposalView
from adjudge.service.workspace import Workspace

Json = dict[str, Any]

REF = "#/components/schemas/"


class Answered(StoredAnswer, kw_only=True):
    """The answer to one event.

    Parameters
    ----------
    repeated
        Present and true if the event was decided before; this is that decision.
    features
        All feature values, if they were asked for; null is missing.
    """

    repeated: bool = False
    features: dict[str, float | None] | None = None


class AnsweredMany(msgspec.Struct):
    """The answers to the events of a batch, in their order."""

    decisions: list[Answered]


class Done(msgspec.Struct, omit_defaults=True):
    """What became of one label, outcome, retraction or event.

    Parameters
    ----------
    id
        The event that is meant.
    status
        For events accepted or repeated; else set, unchanged, or waiting for the event to come.
    seq
        The event's position in the log.
    """

    id: str
    status: str
    seq: int | None = None


class Results(msgspec.Struct):
    """What became of each item, in their order."""

    results: list[Done]


class Catalogue(msgspec.Struct):
    """Every feature that there is."""

    features: list[CatalogueRow]
    coming: list[Progress] = []


MANAGED = (
    KeyList,
    NewKey,
    Revocation,
    Rotation,
    Issued,
    KeyView,
    NewErasure,
    ErasureDone,
    Revision,
    Activated,
    Challenge,
    ChallengerList,
    ChallengerView,
    Ending,
    Sharing,
    Standings,
    ActiveSystems,
    HeldList,
    Answer,
    ProposalList,
    ProposalView,
    AlertsView,
    NewLook,
    Looked,
    NewSilence,
    Noted,
)
"""What routes take and answer that manage who may do what, and what decides."""

REFUSALS = {
    "400": "The body is not JSON.",
    "404": "There is no such system, stream, entity or decision.",
    "410": "The person whom the decision is about was erased.",
    "409": "The id was used before with other content.",
    "413": "The body, or the batch, is too large.",
    "415": "The body is not JSON by its content type, or is compressed.",
    "422": "A field is wrong; the answer names it, and its row.",
    "429": "Too much is waiting; Retry-After says when to come again.",
    "503": "The service is starting or standing by, its log cannot be written, or its database is away. "
    "The answer says which; Retry-After says when to come again.",
}
"""What else a route that takes a body may answer."""

DENIALS = {
    "401": "No credential was sent, or none that is good.",
    "403": "The credential is good, and not for this; the answer names the scope.",
    "429": "Too much is waiting, or was sent with this credential; Retry-After says when to come again.",
}
"""What else a route answers that asks who is asking."""

READING = (
    *("/v1/decisions/{id}", "/v1/features/{entity}", "/v1/catalogue"),
    *("/v1/waiting", "/v1/log", "/v1/log/commits"),
)
"""Routes that only read."""

TEXTS = {
    "/v1/decide": ("Decide one event", "The event is logged, and counts for every later one."),
    "/v1/decide/many": ("Decide many events", "In their order; bad rows are refused, the others decided."),
    "/v1/score": ("Score one event", "As it would be decided now; nothing is logged, nothing changes."),
    "/v1/score/many": ("Score many events", "Each as if it came alone; nothing is logged, nothing changes."),
}
"""Summary and description of the hot path's routes."""


def describe(api: FastAPI, workspace: Workspace, needs: Mapping[str, Need]) -> None:
    """Give an application its OpenAPI document and the page at ``/docs``.

    Parameters
    ----------
    api
        Has the routes that FastAPI serves.
    workspace
        Has the streams whose events the others take.
    needs
        What each route asks for; empty if nobody is asked who they are.
    """

    def openapi() -> Json:
        if api.openapi_schema is None:
            api.openapi_schema = _document(api, workspace, needs)
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]

    @api.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        return HTMLResponse(page(openapi()), headers={"content-security-policy": policy})


def event_schema(schema: Schema) -> Json:
    """Return the JSON schema of a stream's events.

    Parameters
    ----------
    schema
        The stream.

    Examples
    --------
    >>> event_schema(Schema("login", (Field("login_id", "id"),), "login_id", ""))["required"]
    ['login_id']
    """
    properties = {}
    for f in schema:
        kind = _value_schema(f)
        properties[f.name] = {"anyOf": [kind, {"type": "null"}]} if f.optional else kind
        if f.meaning:
            properties[f.name] = {**properties[f.name], "description": f.meaning}
    return {
        "title": schema.name,
        "type": "object",
        "description": schema.meaning,
        "properties": properties,
        "required": [f.name for f in schema if not f.optional],
        "additionalProperties": False,
    }


def _value_schema(f: Field) -> Json:
    bounds = {"minimum": f.minimum, "maximum": f.maximum}
    within = {name: bound for name, bound in bounds.items() if bound is not None}
    match f.role:
        case "time":
            return {"type": "string", "format": "date-time"}
        case "money":
            digits = MINOR_DIGITS.get(f.currency, 2)
            sign = "" if f.minimum is not None and f.minimum >= 0 else "-?"
            point = rf"(\.[0-9]{{1,{digits}}})?" if digits else ""
            text = {"type": "string", "pattern": f"^{sign}[0-9]{{1,12}}{point}$"}
            return {"anyOf": [text, {"type": "number", **within}]}
        case "place":
            lat = {"type": "number", "minimum": -90, "maximum": 90}
            lon = {"type": "number", "minimum": -180, "maximum": 180}
            parts = {"lat": lat, "lon": lon}
            required = ["lat", "lon"]
            return {
                "type": "object",
                "properties": parts,
                "required": required,
                "additionalProperties": False,
            }
        case "number":
            return {"type": "number", **within}
        case "boolean":
            return {"type": "boolean"}
        case "id" | "key":
            return {"type": "string", "minLength": 1, "maxLength": f.max_length}
        case _:
            return {"type": "string", "maxLength": f.max_length}


def _document(api: FastAPI, workspace: Workspace, needs: Mapping[str, Need]) -> Json:
    document: Json = get_openapi(title=api.title, version=api.version, description=api.description, routes=api.routes)
    components = document.setdefault("components", {}).setdefault("schemas", {})
    _, ours = msgspec.json.schema_components(
        [
            Answered,
            AnsweredMany,
            Problem,
            Results,
            Catalogue,
            Waiting,
            Health,
            *MANAGED,
            *AROUND_SHAPES,
            *CASES,
            *RELEASES,
        ],
        ref_template=REF + "{name}",
    )
    components.update(ours)
    for name, door in workspace.doors.items():
        components[f"event_{name}"] = event_schema(door.schema)
    paths = document["paths"]
    _fill_in(paths, workspace)
    hot = {path: {"post": _hot_route(workspace, path, *texts)} for path, texts in TEXTS.items()}
    _manage(paths)
    document["paths"] = hot | paths  # what a reader looks for first comes first
    if needs:
        _guard(document, needs)
    return document


def _guard(document: Json, needs: Mapping[str, Need]) -> None:
    """Say what each route asks for."""
    bearer = {"type": "http", "scheme": "bearer", "description": "An API key, or a token of the issuer."}
    document["components"]["securitySchemes"] = {"bearer": bearer}
    for name, need in needs.items():
        method, path = name.replace(":path}", "}").split()
        route = document["paths"].get(path, {}).get(method.lower())
        if route is not None and need is not Door.OPEN:
            route["security"] = [{"bearer": [] if need is Door.ANY else [need.value]}]
            route["responses"] |= _refusals(DENIALS)


def _manage(paths: Json) -> None:
    """Describe the routes that manage who may do what, and what decides."""
    for path, (shape, answer, description) in {
        "/v1/keys": ("NewKey", "Issued", "The key with its secret."),
        "/v1/keys/{id}/rotate": ("Rotation", "Issued", "The key with its new secret."),
        "/v1/keys/{id}/revoke": ("Revocation", "KeyView", "The key that was."),
        "/v1/erasures": ("NewErasure", "ErasureDone", "Whether there was something to erase."),
        "/v1/activations": ("Revision", "Activated", "Since which position what decides."),
        "/v1/alerts/looks": ("NewLook", "Looked", "What is told of it."),
        "/v1/alerts/silences": ("NewSilence", "Noted", "Where it is written down."),
        "/v1/proposals/{id}/approve": ("Answer", "Activated", "Since which position it decides."),
        "/v1/proposals/{id}/refuse": ("Answer", "ProposalView", "The proposal that was."),
        "/v1/challengers": ("Challenge", "ChallengerView", "The challenger as it runs from here on."),
        "/v1/challengers/{name}/share": ("Sharing", "ChallengerView", "The challenger with its share."),
        "/v1/challengers/{name}/promote": ("Ending", "ChallengerView", "The challenger that decides alone."),
        "/v1/challengers/{name}/retire": ("Ending", "ChallengerView", "The challenger that was."),
    }.items():
        route = paths[path]["post"]
        route["tags"] = ["manage"]
        route["requestBody"] = _body({"$ref": REF + shape}, many=False)
        done = "201" if path == "/v1/keys" else "200"
        route["responses"] = {done: _content(answer, description)} | _refusals(REFUSALS)
    paths["/v1/keys"]["get"]["tags"] = ["manage"]
    paths["/v1/keys"]["get"]["responses"]["200"] = _content("KeyList", "Every key.")
    waiting = _content("Activated", "Nothing is different yet; the proposal waits for a second person.")
    paths["/v1/activations"]["post"]["responses"]["202"] = waiting
    _challengers(paths)
    around = paths["/v1/around/{id}"]["get"]
    around["tags"] = ["review"]
    around["responses"] = {"200": _content("Around", "What is around the decision.")}
    around["responses"] |= _refusals({code: REFUSALS[code] for code in ("404", "410", "422")})
    walked = paths["/v1/linked/{field}"]["get"]
    walked["tags"] = ["review"]
    walked["responses"] = {"200": _content("Linked", "The entities around one.")}
    walked["responses"] |= _refusals({code: REFUSALS[code] for code in ("404", "422")})
    describe_cases(paths, _body, _content, _refusals(REFUSALS))
    describe_releases(paths, _body, _content, _refusals(REFUSALS))
    paths["/v1/proposals"]["get"]["tags"] = ["manage"]
    paths["/v1/proposals"]["get"]["responses"]["200"] = _content("ProposalList", "What waits, and what has.")
    paths["/v1/alerts"]["get"]["tags"] = ["manage"]
    paths["/v1/alerts"]["get"]["responses"]["200"] = _content("AlertsView", "What is the matter, and what is silent.")
    held = paths["/v1/lists/{name}"]["get"]
    held["tags"] = ["manage"]
    held["responses"] = {"200": _content("HeldList", "What the list holds, and what is said of it.")}
    held["responses"] |= _refusals({code: REFUSALS[code] for code in ("404", "422")})
    paths["/v1/activations"]["get"]["tags"] = ["manage"]
    paths["/v1/activations"]["get"]["responses"]["200"] = _content("ActiveSystems", "What decides in each system.")


def _challengers(paths: Json) -> None:
    """Describe what is told of challengers."""
    waiting = _content("ChallengerView", "Nothing is different yet; the proposal waits for a second person.")
    for path in ("/v1/challengers", "/v1/challengers/{name}/share", "/v1/challengers/{name}/promote"):
        paths[path]["post"]["responses"]["202"] = waiting
    missing = _refusals({code: REFUSALS[code] for code in ("404", "422")})
    for path, shape, description in (
        ("/v1/challengers", "ChallengerList", "The challengers."),
        ("/v1/challengers/{name}", "ChallengerView", "The challenger."),
        ("/v1/standings", "Standings", "What is known of each, and what its rule still asks for."),
    ):
        route = paths[path]["get"]
        route["tags"] = ["manage"]
        route["responses"] = {"200": _content(shape, description)} | missing


def _hot_route(workspace: Workspace, path: str, summary: str, description: str) -> Json:
    decided = list(dict.fromkeys(s.plan.decides for s in workspace.systems.values()))
    many = path.endswith("/many")
    answers = {"200": _content("AnsweredMany" if many else "Answered", "The decisions." if many else "Decided.")}
    if many:
        answers["207"] = _content("Problem", "Some rows were refused; the others were decided.", CONTENT_TYPE)
    return {
        "summary": summary,
        "description": description,
        "operationId": path.removeprefix("/v1/").replace("/", "_"),
        "tags": ["decide"],
        "parameters": [
            _parameter("system", {"type": "string", "enum": list(workspace.systems)}, "Which system is asked."),
            _parameter("features", {"type": "boolean"}, "Whether all feature values are wanted, too."),
        ],
        "requestBody": _body(_any(f"event_{name}" for name in decided), many=many),
        "responses": answers | _refusals(REFUSALS) | _refusals({"500": "Something failed."}),
    }


def _fill_in(paths: Json, workspace: Workspace) -> None:
    """Say what FastAPI cannot know of routes whose bodies pass our own door."""
    for path, door in (("labels", LABELS), ("outcomes", OUTCOMES), ("retractions", RETRACTIONS)):
        item = event_schema(door.schema)
        if door is OUTCOMES:
            item["properties"]["value"] = _said(workspace)
        _takes(paths[f"/v1/{path}"]["post"], item)
    streams = [f"event_{name}" for name in workspace.doors if not workspace.deciding(name)]
    _takes(paths["/v1/events/{stream}"]["post"], _any(streams) if streams else {"type": "object"})
    for path in (
        "/v1/decisions/{id}",
        "/v1/features/{entity}",
        "/v1/catalogue",
        "/v1/waiting",
        "/v1/log",
        "/v1/log/commits",
    ):
        route = paths[path]["get"]
        route["tags"] = ["read"]
        route["responses"] |= _refusals({"404": REFUSALS["404"], "422": REFUSALS["422"]})
    paths["/v1/decisions/{id}"]["get"]["responses"] |= _refusals({"410": REFUSALS["410"]})
    paths["/v1/catalogue"]["get"]["responses"]["200"] = _content("Catalogue", "Every field and feature.")
    paths["/v1/waiting"]["get"]["responses"]["200"] = _content("Waiting", "What waits.")
    paths["/v1/features/{entity}"]["get"]["parameters"].append(
        {
            "name": "key",
            "in": "query",
            "style": "form",
            "explode": True,
            "description": "The entity's key fields, each as a parameter of its own name.",
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        }
    )
    for path in ("/healthz", "/readyz", "/metrics"):
        paths[path]["get"]["tags"] = ["operate"]
    for path in ("/healthz", "/readyz"):
        paths[path]["get"]["responses"]["200"] = _content("Health", "How the service is.")
    paths["/readyz"]["get"]["responses"]["503"] = _content(
        "Problem", "No decisions are made now; what `Health` has is beside it.", CONTENT_TYPE
    )
    text = {"text/plain": {"schema": {"type": "string"}}}
    paths["/metrics"]["get"]["responses"]["200"] = {"description": "Metrics.", "content": text}


def _said(workspace: Workspace) -> Json:
    """Return the schema of what may be said of an outcome."""
    outcomes = [outcome for s in workspace.systems.values() for outcome in s.plan.system.outcomes]
    values = list(dict.fromkeys(value for outcome in outcomes for value in outcome.values))
    return {"anyOf": [{"type": "boolean"}, {"type": "string", "enum": values}]} if values else {"type": "boolean"}


def _takes(route: Json, item: Json) -> None:
    route["tags"] = ["tell"]
    route["requestBody"] = _body({"anyOf": [item, {"type": "array", "items": item}]}, many=False)
    route["responses"] = (
        {
            "200": _content("Results", "What became of each."),
            "207": _content("Problem", "Some were refused; the others were taken.", CONTENT_TYPE),
        }
        | _refusals(REFUSALS)
        | _refusals({"500": "Something failed."})
    )


def _any(names: Iterable[str]) -> Json:
    refs = [{"$ref": REF + name} for name in names]
    return refs[0] if len(refs) == 1 else {"anyOf": refs}


def _body(item: Json, *, many: bool) -> Json:
    schema = {"type": "array", "items": item} if many else item
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _content(name: str, description: str, media: str = "application/json") -> Json:
    return {"description": description, "content": {media: {"schema": {"$ref": REF + name}}}}


def _refusals(texts: dict[str, str]) -> Json:
    return {status: _content("Problem", text, CONTENT_TYPE) for status, text in texts.items()}


def _parameter(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430}
h1{font-weight:600}section{border-top:1px solid #d5dbe3;padding:.6rem 0}h2{font-size:1.05rem;margin:.4rem 0}
code,pre{font:14px/1.45 ui-monospace,monospace}b{display:inline-block;min-width:3.2rem;color:#0b5cad}
pre{background:#f4f6f8;padding:.7rem;overflow:auto}td{padding:.1rem .8rem .1rem 0;vertical-align:top}
"""


def page(document: Json) -> str:
    """Return an OpenAPI document as one page of HTML that loads nothing from anywhere.

    Parameters
    ----------
    document
        The document.
    """
    parts = [f"<h1>{_text(document['info']['title'])}</h1><p>{_text(document['info'].get('description', ''))}"]
    parts.append(' The same for programs: <a href="/openapi.json">openapi.json</a>.</p>')
    for path, methods in sorted(document["paths"].items()):
        for method, route in methods.items():
            parts.append(_section(path, method, route))
    parts.append("<h1>Shapes</h1>")
    for name, schema in sorted(document["components"]["schemas"].items()):
        shown = json.dumps(schema, indent=1)
        parts.append(f'<section id="{_text(name)}"><h2>{_text(name)}</h2><pre>{_text(shown)}</pre></section>')
    head = f'<meta charset="utf-8"><title>{_text(document["info"]["title"])}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def _section(path: str, method: str, route: Json) -> str:
    title = f"<h2><b>{method.upper()}</b> <code>{_text(path)}</code></h2>"
    words = f"<p>{_text(route.get('description') or route.get('summary', ''))}</p>"
    rows = [
        f"<tr><td><code>{_text(p['name'])}</code><td>{_text(p.get('description', ''))}"
        for p in route.get("parameters", ())
    ]
    rows += [f"<tr><td>{_text(s)}<td>{_text(r['description'])}" for s, r in route["responses"].items()]
    body = route.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    shape = f"<pre>{_text(json.dumps(body))}</pre>" if body else ""
    return f"<section>{title}{words}{shape}<table>{''.join(rows)}</table></section>"


def _text(value: object) -> str:
    return html.escape(str(value))

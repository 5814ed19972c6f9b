"""The shell: what every page has around it, with what its reader may do and the keys that do it."""

from __future__ import annotations

from collections.abc import Sequence

from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page

KEYS = (
    ("?", "show these keys, or hide them"),
    ("/", "search"),
    ("j", "next row"),
    ("k", "row before"),
    ("Enter", "open the row"),
    ("t", "light or dark"),
    ("Esc", "close what is open"),
)
"""Keys of every page, with what they do."""

ROLES = {
    "review": "reads decisions",
    "label": "tells the truth about events",
    "manage": "changes what decides",
    "audit": "reads the log and its figures",
    "decide": "sends events",
}
"""What each scope makes of somebody at the console, in words."""


def bar(desk: Desk, page: Page, pages: Sequence[Page]) -> Markup:
    """Return the bar on top of a page: where one can go, who one is, and the way out."""
    shown = [p for p in pages if p.nav and desk.may(p.need)]
    groups = [
        _group(name, [p for p in shown if p.group == name], page) for name in dict.fromkeys(p.group for p in shown)
    ]
    who = desk.principal
    roles = ", ".join(ROLES[s] for s in sorted(who.scopes))
    return tag(
        "div",
        tag("a", "Skip to the page", href="#page", class_="skip"),
        tag("a", "adjudge", href="/console/overview", class_="brand"),
        tag("nav", groups, aria_label="Pages"),
        tag("span", who.who, class_="who", title=roles),
        tag("button", "◐", type="button", data_act="theme", aria_label="Light or dark", title="t"),
        tag("button", "?", type="button", data_act="help", aria_label="Keys", title="?"),
        None if desk.service.settings.auth == "off" else _sign_out(desk),
        class_="bar",
    )


def _group(name: str, pages: Sequence[Page], page: Page) -> Markup:
    """Return the pages of a group, which unfold below its name; one that is alone needs no group."""
    links = [
        tag(
            "a",
            p.nav,
            href=f"/console{p.path}",
            aria_current="page" if p is page else None,
            data_go=p.key or None,
            title=f"g {p.key}" if p.key else None,
        )
        for p in pages
    ]
    if len(links) == 1:
        return links[0]
    here = next((p.nav for p in pages if p is page), "")
    summary = tag("summary", f"{name}:" if here else name, tag("span", here, class_="quiet") if here else None)
    return tag("details", summary, tag("div", links, class_="menu"), class_="group", data_here=bool(here))


def _sign_out(desk: Desk) -> Markup:
    return tag(
        "form",
        tag("input", type="hidden", name="form", value=desk.session.form),
        tag("button", "Sign out", type="submit"),
        method="post",
        action="/console/sign-out",
    )


def keys(desk: Desk, page: Page, pages: Sequence[Page]) -> Markup:
    """Return what ``?`` shows: every key of a page."""
    known = [*page.keys, *KEYS, *((f"g {p.key}", f"go to {p.nav}") for p in pages if p.key and desk.may(p.need))]
    rows = [(tag("dt", [tag("kbd", part) for part in key.split(" ")]), tag("dd", does)) for key, does in known]
    return tag(
        "dialog",
        tag("h2", "Keys", id="keys-title"),
        tag("dl", rows, class_="keys"),
        tag("form", tag("button", "Close", type="submit"), method="dialog"),
        id="keys",
        aria_labelledby="keys-title",
    )


def empty(what: str, then: Markup | str = "") -> Markup:
    """Return what stands where there is nothing: that there is nothing, and what to do next."""
    return tag("div", tag("p", what, class_="nothing"), tag("p", then) if then else None, class_="empty")


def refusal(words: str) -> Markup:
    """Return what stands where something was refused or has failed."""
    return tag("div", tag("p", words), class_="refusal", role="alert")

"""Signing in: a plain form that needs no script, for a key or a token of the issuer."""

from __future__ import annotations

from adjudge.console.assets import address
from adjudge.console.markup import Markup, tag

ASK = "Paste an API key, or a token of your sign-on. It stays in this service's memory until you sign out."


def page(target: str, wrong: str = "", *, theme: str = "") -> bytes:
    """Return the page.

    Parameters
    ----------
    target
        Where to go then.
    wrong
        Why the last attempt has failed.
    theme
        ``light``, ``dark``, or anything else for what the reader's system has.
    """
    form = tag(
        "form",
        tag("h1", "adjudge console"),
        tag("p", ASK, id="ask", class_="quiet"),
        tag("p", wrong, role="alert", class_="wrong", id="wrong") if wrong else None,
        tag("label", "API key or token", for_="key"),
        tag(
            "input",
            id="key",
            name="key",
            type="password",
            required=True,
            autofocus=True,
            autocomplete="current-password",
            spellcheck="false",
            aria_describedby="wrong ask" if wrong else "ask",
        ),
        tag("input", type="hidden", name="next", value=target),
        tag("button", "Sign in", type="submit", class_="primary"),
        method="post",
        action="/console/sign-in",
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", "Sign in · adjudge"),
        tag("link", rel="icon", href=address("icon.svg")),
        tag("link", rel="stylesheet", href=address("console.css")),
    )
    body = tag("body", tag("main", form, class_="sign-in"), class_=body_class(theme))
    return (Markup("<!doctype html>") + tag("html", head, body, lang="en")).encode()


def body_class(theme: str) -> str:
    """Return how the body of a page is marked for a theme.

    Examples
    --------
    >>> body_class("dark"), body_class("")
    ('body--dark', 'body--auto')
    """
    return f"body--{theme}" if theme in ("light", "dark") else "body--auto"

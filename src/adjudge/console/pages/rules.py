"""Rules: edit them with names that complete themselves and mistakes as one types, try them, and have them decide."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from nicegui import ui

from adjudge.console import acts, again, said
from adjudge.console.desk import Desk, words_of
from adjudge.console.markup import Markup, tag
from adjudge.console.page import Page, Query
from adjudge.console.pages.releases import came_of
from adjudge.console.shell import empty, refusal
from adjudge.define import Rules
from adjudge.define.rulefile import Mistake
from adjudge.errors import AdjudgeError
from adjudge.service import drafts
from adjudge.service.access.ledger import By
from adjudge.service.access.scope import Scope
from adjudge.service.challengers.asked import Challenge, ChallengerView
from adjudge.service.versions.desk import Activated

KEYS = (
    ("x", "try the draft on the past"),
    ("v", "have it decide, with a reason"),
    ("b", "have it run beside what decides"),
    ("o", "let a rule that decides end"),
)
"""What keys do here, outside of the editor."""

SHARES = {
    0.0: "in the shadow",
    0.05: "on 5 % of the events",
    0.2: "on 20 % of the events",
    0.5: "on half of the events",
}
"""Where a draft may run beside what decides."""

PAUSE_MS = 300
"""How long somebody has not typed before what they wrote is checked."""


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    decider, system = desk.service.decider, desk.service.decider.workspace.system(query.get("system") or None).name
    text = await desk.read(Scope.MANAGE, drafts.text_of, decider, system)
    names = await desk.read(Scope.MANAGE, drafts.names_of, decider, system)
    with ui.element("div").classes("panels"):
        with ui.element("section").classes("panel w7"):
            ui.html(tag("h2", f"Rules of {system}"), sanitize=False)
            editor = ui.textarea(value=text).props(
                f'outlined dense autogrow debounce={PAUSE_MS} spellcheck=false aria-label="Rule file"'
            )
            editor.classes("editor").props["data-names"] = json.dumps(names)
            ui.html(_names_hint(), sanitize=False)
        with ui.element("section").classes("panel w5"):
            ui.html(tag("h2", "Mistakes"), sanitize=False)
            wrong = ui.html(_mistakes(()), sanitize=False).props('role="status"')
            with ui.row().classes("answers"):
                tries = ui.button("Try on the past").props("no-caps unelevated text-color=on-primary data-key=x")
                decides = acts.button(
                    desk,
                    "Have it decide",
                    Scope.MANAGE,
                    lambda by: _revise(desk, editor.value, system, by),
                    came_of,
                    key="v",
                    asks="These rules decide from the next position on",
                )
                runs = ui.select(SHARES, value=0.0, label="Runs").props('outlined dense aria-label="Where it runs"')
                acts.button(
                    desk,
                    "Run beside",
                    Scope.MANAGE,
                    lambda by: _beside(desk, editor.value, system, runs.value, by),
                    _seated,
                    key="b",
                    asks="As a challenger of the rules that decide",
                )
            _ending(desk, system)
        with ui.element("section").classes("panel"):
            ui.html(tag("h2", "On the past"), sanitize=False)
            tried = ui.html(empty("Not tried yet.", "Try says what it would have caught and cost."), sanitize=False)

    async def check() -> None:
        try:
            found = await desk.read(Scope.MANAGE, drafts.wrong_with, decider, editor.value or "", system)
        except AdjudgeError as error:
            wrong.set_content(refusal(words_of(error)))
            return
        wrong.set_content(_mistakes(found))
        (decides.disable if found else decides.enable)()
        (tries.disable if found else tries.enable)()

    async def try_it() -> None:
        tries.disable()
        tried.set_content(
            empty("Trying it on what the log holds…", "It runs beside the service and can take a minute.")
        )
        try:
            tried.set_content(_tried(await _try(desk, editor.value or "", system)))
        except Exception as error:
            tried.set_content(refusal(words_of(error)))
        finally:
            tries.enable()

    editor.on_value_change(check)
    tries.on_click(try_it)


def _ending(desk: Desk, system: str) -> None:
    """Have one of the rules that decide end on a day."""
    rules = desk.service.decider.workspace.system(system).plan.system.rules.rules
    if not rules:
        return
    ui.html(tag("h2", "Let a rule end"), sanitize=False)
    with ui.row().classes("answers"):
        rule = ui.select([one.id for one in rules], value=rules[0].id, label="Rule").props("outlined dense")
        until = ui.input("Ends, such as 2026-12-31 (UTC)").props("outlined dense")

        def end(by: By) -> Activated:
            change = drafts.ending(desk.service.decider, str(rule.value), str(until.value or ""), by.why, system)
            return desk.service.second.revise(change, by)

        acts.button(desk, "Let it end", Scope.MANAGE, end, came_of, key="o", asks="It decides until then")


def _revise(desk: Desk, text: str, system: str, by: By) -> Activated:
    return desk.service.second.revise(drafts.revision_of(text, by.why, system), by)


def _beside(desk: Desk, text: str, system: str, share: float, by: By) -> ChallengerView:
    """Have a draft run beside what decides: in the shadow, or on a share of the events."""
    rules = Rules.loads(text)
    challenge = Challenge(
        by.why, f"rules-{rules.version[:8]}", system, revision={"rules": rules.document()}, share=share
    )
    return desk.service.challengers.seat(challenge, by)


def _seated(done: ChallengerView) -> str:
    if done.proposal is not None:
        return f"Proposal {done.proposal} waits for a second person."
    return f"{done.name} runs {SHARES.get(done.share, 'beside')}."


async def _try(desk: Desk, text: str, system: str) -> dict[str, Any]:
    """Return the back-test of a draft; by a process beside the service where the log is not in its memory."""
    if desk.command is None:
        found = await desk.read(Scope.MANAGE, drafts.try_draft, desk.service.decider, text, system)
        return dict(msgspec.to_builtins(found, enc_hook=float))  # numpy's numbers are numbers
    await desk.admit(Scope.MANAGE)
    return dict(msgspec.json.decode(await again.tried(desk.command("rules"), text, system)))


def _names_hint() -> Markup:
    tab, escape = tag("kbd", "Tab"), tag("kbd", "Esc")
    return tag("p", "Names complete themselves: ", tab, " takes the first, ", escape, " hides them.", class_="quiet")


def _mistakes(found: tuple[Mistake, ...]) -> Markup:
    if not found:
        return tag("p", said.mark("no mistakes", "low"))
    items = [
        tag("li", tag("strong", f"line {m.line}, column {m.column}"), f" {m.rule}: " if m.rule else ": ", m.message)
        for m in found
    ]
    return tag("ul", items, class_="plain wrong")


def _tried(found: dict[str, Any]) -> Markup:
    rows = [
        (
            one["rule"] or "all together",
            f"{one['hits']:,}",
            said.number(one["caught"]["alerts"]),
            said.share(one["caught"]["precision"]["value"]),
            said.share(one["caught"]["recall"]["value"]),
            said.number(one["caught"]["saved"]["value"]),
            said.share(one["acted"]),
        )
        for one in (*found["rules"], found["together"])
    ]
    heads = ("Rule", "Hits", "Alerts/day", "Precision", "Recall", "Saved/day", "Already acted on")
    caption = f"{found['events']:,} events over {found['days']:.1f} days, {found['frauds']:,} known frauds"
    notes = [tag("p", f"Not tried: {u['rule']}: {u['why']}", class_="wrong") for u in found["untested"]]
    examples = [
        tag("p", f"{one['rule']} {what}: ", ", ".join(one[key]), class_="quiet")
        for one in found["rules"]
        for what, key in (("would have caught", "best"), ("would have spoiled", "worst"))
        if one.get(key)
    ]
    return tag("div", said.table(heads, rows, caption=caption, numbers=frozenset(range(1, 7))), notes, examples)


PAGE = Page("/rules", "Rules", Scope.MANAGE, show, nav="Rules", group="Change", key="r", keys=KEYS)

"""Doing something on a page: it takes a reason, which goes into the log with who did it, and says what came of it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

from nicegui import ui

from adjudge.console.desk import Desk, words_of
from adjudge.console.markup import tag
from adjudge.service.access.ledger import By
from adjudge.service.access.routes import Need

T = TypeVar("T")


def at_once(
    desk: Desk,
    name: str,
    need: Need,
    why: str | Callable[[], str],
    function: Callable[[By], T],
    after: Callable[[T], Awaitable[None]],
    *,
    key: str = "",
    primary: bool = False,
) -> ui.button:
    """Add a button that does something at once: what is done a thousand times a day asks nothing.

    Parameters
    ----------
    desk, name, need, function, key
        As for `button`.
    why
        The reason for the log, or what tells it when the button is pressed.
    after
        Is called with what came of it.
    primary
        Whether it is what is mostly done on the page.
    """

    async def run() -> None:
        pressed.disable()
        try:
            done = await desk.act(need, why if isinstance(why, str) else why(), function)
            await after(done)
        except Exception as error:
            ui.notify(words_of(error), type="negative", multi_line=True, timeout=0, close_button="Close")
        finally:
            if not pressed.is_deleted:  # what came of it may stand in its place by now
                pressed.enable()

    look = "unelevated text-color=on-primary" if primary else "outline"
    pressed = ui.button(name, on_click=run).props(f"no-caps {look}")
    if key:
        pressed.props["data-key"] = key
        pressed.props["title"] = key
    pressed.set_visibility(desk.may(need))
    return pressed


def button(
    desk: Desk,
    name: str,
    need: Need,
    function: Callable[[By], T],
    told: Callable[[T], str],
    *,
    asks: str = "",
    key: str = "",
    after: Callable[[], Awaitable[None] | None] | None = None,
) -> ui.button:
    """Add a button that asks for a reason, then does something.

    Parameters
    ----------
    desk
        Whose page.
    name
        What the button says.
    need
        What doing it takes in the API; whoever has it not gets no button, and could not do it either.
    function
        Does it, told who and why.
    told
        Says what came of it.
    asks
        What the dialog asks; the name where absent.
    key
        The key that presses it; empty for none.
    after
        Is called then; None loads the page anew.
    """
    label = f"{asks or name} - why?"
    with ui.dialog() as dialog, ui.card().classes("ask"):
        ui.html(tag("h2", name), sanitize=False)
        why = ui.input(label).props(f'outlined dense autofocus aria-label="{name}: why"').classes("why-input")
        problem = ui.label("").classes("wrong").props('role="alert"')
        with ui.row().classes("answers"):
            do = ui.button(name).props("no-caps unelevated text-color=on-primary")
            ui.button("Cancel", on_click=dialog.close).props("no-caps flat")

    async def run() -> None:
        do.disable()
        try:
            done = await desk.act(need, str(why.value or ""), function)
        except Exception as error:
            problem.set_text(words_of(error))
            return
        finally:
            do.enable()
        dialog.close()
        if after is None:
            ui.run_javascript(f"adjudge.again({json.dumps(told(done))})")  # what is said outlives the page
        else:
            ui.notify(told(done), type="positive", timeout=6000)
            waiting = after()
            if waiting is not None:
                await waiting

    def begin() -> None:
        why.set_value("")  # what was typed for an act that did not happen is no reason for the next one
        problem.set_text("")
        dialog.open()

    do.on_click(run)
    why.on("keydown.enter", run)
    pressed = ui.button(name, on_click=begin).props("no-caps outline")
    if key:
        pressed.props["data-key"] = key
    pressed.set_visibility(desk.may(need))
    return pressed

"""Showing a look on a page: what it found and how old that is, or how far it is, with buttons to begin and end one."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from adjudge.console import said
from adjudge.console.desk import Desk, words_of
from adjudge.console.looks import Look, Words
from adjudge.console.markup import Markup, tag
from adjudge.console.shell import empty, refusal
from adjudge.errors import UnavailableError
from adjudge.service.access.routes import Need

EVERY_S = 0.5
"""Seconds between two glances at how far a look is."""

KEYS = (("v", "look again"), ("s", "stop looking"))
"""What keys do where there is a look."""


async def show(
    desk: Desk,
    need: Need,
    words: Words,
    draw: Callable[[bytes], Markup],
    *,
    then: Callable[[bytes], None] | None = None,
    more: Callable[[], Words] = tuple,
) -> None:
    """Show a look; where there is none yet it is begun.

    Parameters
    ----------
    desk, need
        Whose page, and what reading it takes in the API.
    words
        What is looked for: the words behind ``adjudge``.
    draw
        Returns what is shown of what it printed.
    then
        Adds what can be done about it.
    more
        Returns what is said besides when it is begun: up to when, for instance. A kept look is found without it.
    """
    await desk.admit(need)
    try:
        looks = desk.looks()
    except UnavailableError as error:
        ui.html(said.panel("", empty("Nothing can be looked at here.", f"{words_of(error)}.")), sanitize=False)
        return
    shown = ui.html("", sanitize=False)
    acts = ui.element("div").classes("stack")
    with ui.row().classes("answers"):
        again = ui.button("Look again").props("no-caps outline")
        stop = ui.button("Stop").props("no-caps outline")
    again.props["data-key"], stop.props["data-key"] = "v", "s"

    def begin() -> Look:
        return looks.begin(words, more(), now_us=desk.now_us, position=len(desk.service.decider.log))

    def fill(look: Look) -> None:
        running = look.state == "running"
        again.set_visibility(not running)
        stop.set_visibility(running)
        shown.set_content(_told(look, draw))
        if look.state == "done" and then is not None:
            acts.clear()
            with acts:
                then(look.found)

    async def glance() -> None:
        look = await desk.watch(need, looks.get, words)
        if look is None:
            return
        fill(look)
        timer.active = look.state == "running"

    async def look_again() -> None:
        await desk.admit(need)
        fill(begin())
        timer.active = True

    async def stop_it() -> None:
        await desk.admit(need)
        looks.stop(words)

    again.on_click(look_again)
    stop.on_click(stop_it)
    look = looks.get(words) or begin()
    timer = ui.timer(EVERY_S, glance, active=look.state == "running")
    fill(look)


def _told(look: Look, draw: Callable[[bytes], Markup]) -> Markup:
    if look.state == "running":
        far = tag("p", f"{look.says or 'beginning'} ({look.took_s:.0f} s)", role="status")
        return said.panel("", empty("Looking at the log beside the service…", far))
    if look.state != "done":
        return refusal(f"The look has {'been stopped' if look.state == 'stopped' else 'failed'}. {look.says}")
    age = tag(
        "p",
        "As of ",
        said.at(look.began_us),
        f", position {look.position:,}; it took {look.took_s:.0f} s.",
        class_="quiet",
    )
    return tag("div", draw(look.found), age)

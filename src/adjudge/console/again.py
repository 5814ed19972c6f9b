"""Computing a decision again: by a process beside the service, so that folding a log holds up no decision."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import msgspec

from adjudge.console import said
from adjudge.console.beside import beside
from adjudge.console.desk import Desk
from adjudge.console.markup import Markup, tag
from adjudge.service.access.scope import Scope
from adjudge.service.explain import explain

SHOWN = 12
"""Inputs of the model that are shown, the most important first."""

AGREES = {
    True: ("the same, bit for bit", "low"),
    False: ("not the same", "high"),
    None: ("what decided it cannot be made again here", "plain"),
}


async def explained(desk: Desk, id_: str, system: str) -> dict[str, Any]:
    """Return everything behind a decision, as `adjudge explain --json` says it.

    Parameters
    ----------
    desk
        Whose.
    id_, system
        Which decision.
    """
    await desk.admit(Scope.REVIEW)
    if desk.command is None:  # the log is in this process's memory, and nobody else can read it
        decider = desk.service.decider
        plans = [running.plan for running in decider.workspace.systems.values()]
        keys = decider.workspace.vault.keys
        found = await desk.read(Scope.REVIEW, explain, plans, decider.log, id_, system=system, keys=keys)
        return dict(msgspec.json.decode(msgspec.json.encode(found)))
    return dict(msgspec.json.decode(await beside([*desk.command("explain"), "--json", "--by", system, "--", id_])))


async def tried(command: Sequence[str], text: str, system: str) -> bytes:
    """Return what `adjudge rules test --json` says of a draft on what the log holds."""
    place = [
        word
        for i, word in enumerate(command)
        if "--workspace" in command[i - 1 : i + 1] or "--log" in command[i - 1 : i + 1]
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return await beside([*command[:4], "test", file.name, *place, "--system", system, "--json"])


def told(found: dict[str, Any]) -> Markup:
    """Return what `explained` has found, for people."""
    word, severity = AGREES[found["agrees"]]
    parts: list[Markup] = [tag("p", "Computed again from the log, it is ", said.mark(word, severity))]
    if found["contributions"]:
        rows = [(name, f"{value:+.3f}") for name, value in list(found["contributions"].items())[:SHOWN]]
        caption = f"What each input added to the log-odds, from {found['bias']:.3f}"
        parts.append(said.table(("Input", "Log-odds"), rows, caption=caption, numbers=frozenset((1,))))
    made = [(f["name"], said.number(f["value"]), str(len(f.get("rows", []))), f["meaning"]) for f in found["features"]]
    heads = ("Feature", "Value", "Rows", "Made of")
    parts.append(said.table(heads, made, caption="Features and the rows behind them", numbers=frozenset((1, 2))))
    return tag("div", parts)

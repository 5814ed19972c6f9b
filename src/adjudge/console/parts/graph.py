"""Linked entities as a graph that is walked: every entity leads to the same drawing with itself in the middle.

What an entity is known for has the shape of its mark: a square for known frauds, a triangle for a case that waits.
"""

from __future__ import annotations

import math

from adjudge.console import said
from adjudge.console.markup import Markup, tag
from adjudge.console.parts.timeline import shape
from adjudge.service.around.linked import Linked, Node

LETTERS = 16
"""Most letters of a name in the drawing; all of them stand on hover and in the table."""

KNOWN = {"high": "known fraud", "middle": "a case that waits", "low": "neither"}
"""What shapes mean."""


FEW = 8
"""Most names that a small drawing has room for."""


def kind(node: Node) -> str:
    """Return which shape an entity has."""
    return "high" if node.true else "middle" if node.waiting else "low"


def told(node: Node) -> str:
    """Return an entity in words."""
    parts = [f"{node.field} {node.value or '(erased)'}", f"{node.decisions:,} decisions"]
    parts += [f"{node.true:,} known fraud"] if node.true else []
    parts += [f"{node.waiting:,} cases wait"] if node.waiting else []
    parts += [] if node.walked or node.hops > 1 else ["named too often to be walked through"]
    return " · ".join(parts)


def graph(linked: Linked, *, width: int = 1180, height: int = 470, names: int = 2) -> Markup:
    """Return the drawing.

    Parameters
    ----------
    linked
        The entities.
    width, height
        Of the drawing, in its own units.
    names
        Entities so many hops away still have their names beside them.
    """
    at = [(_across(node.x, width), _down(node.y, height)) for node in linked.nodes]
    ties = [
        tag(
            "line",
            x1=at[tie.a][0],
            y1=at[tie.a][1],
            x2=at[tie.b][0],
            y2=at[tie.b][1],
            stroke_width=round(1 + math.log10(tie.events), 2),
            class_="tie true" if tie.true else "tie",
        )
        for tie in linked.ties
    ]
    nodes = [
        _node(linked, node, x, y, width, named=node.hops <= names)
        for node, (x, y) in zip(linked.nodes, at, strict=True)
    ]
    label = f"What is linked to {linked.field} {linked.value}: {len(linked.nodes) - 1:,} entities"
    svg = tag("svg", ties, nodes, viewbox=f"0 0 {width} {height}", role="group", aria_label=label, class_="chart graph")
    return tag("figure", svg, _legend(linked), class_="drawn wide")


def small(linked: Linked | None) -> Markup:
    """Return the drawing as a part of another page; None where an event names nobody."""
    if linked is None:
        return tag("p", "The event names nobody whom anything is linked to.", class_="quiet")
    whole = said.linked_address(linked.field, linked.value, linked.system)
    walk = tag("p", tag("a", "Walk from here", href=whole, data_key="e"))
    near = sum(node.hops == 1 for node in linked.nodes)
    return tag("div", walk, graph(linked, width=300, height=150, names=1 if near <= FEW else 0))


def _across(x: float, width: int) -> float:
    return round(width / 2 + x * (width / 2 - min(90, width / 6)), 1)


def _down(y: float, height: int) -> float:
    return round(height / 2 + y * (height / 2 - 22), 1)


def _node(linked: Linked, node: Node, x: float, y: float, width: int, *, named: bool) -> Markup:
    words = told(node)
    name = f"{node.field} {node.value or '(erased)'}"
    short = name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
    left = node.x < -0.05
    drawn = [
        tag("title", words),
        tag("circle", cx=x, cy=y, r=12, class_="ring") if node.hops == 0 else None,
        shape(kind(node), x, y),
        tag("text", short, x=x - 9 if left else x + 9, y=y + 4, text_anchor="end" if left else "start")
        if named and node.hops
        else tag("text", short, x=x, y=y + 24, text_anchor="middle", class_="of")
        if named
        else None,
    ]
    if not node.value:
        return tag("g", drawn, class_=f"event {kind(node)}")
    return tag(
        "a",
        drawn,
        href=said.linked_address(node.field, node.value, linked.system),
        aria_label=words,
        aria_current="true" if node.hops == 0 else None,
        class_=f"event {kind(node)}",
    )


def _legend(linked: Linked) -> Markup:
    items = [
        tag(
            "li",
            tag(
                "svg",
                tag("g", shape(severity, 8, 7), class_=f"event {severity}"),
                viewbox="0 0 16 15",
                width=16,
                height=15,
                aria_hidden="true",
                class_="chart sample",
            ),
            words,
        )
        for severity, words in KNOWN.items()
    ]
    more = tag("li", f"{linked.left_out:,} more are not shown") if linked.left_out else None
    return tag("ul", items, tag("li", "strong lines: known fraud"), more, class_="legend")

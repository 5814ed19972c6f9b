"""How verbs show what they have to tell: aligned columns for people, one JSON document for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

out = Console(soft_wrap=False)
"""Where results go."""

err = Console(stderr=True)
"""Where progress and everything else goes."""


@contextmanager
def grid(*columns: str, heads: bool = True) -> Iterator[Table]:
    """Yield a table to be filled, and print it, with the names of its columns above or without."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=heads)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    yield table
    out.print(table)


def as_json(document: Any) -> None:
    """Print one JSON document."""
    sys.stdout.write(msgspec.json.encode(document, enc_hook=str).decode() + "\n")


def show(facts: dict[str, Any], json: bool) -> None:
    """Print facts by name.

    Parameters
    ----------
    facts
        Numbers, texts, and lists and dictionaries of them.
    json
        Whether a program reads it.
    """
    if json:
        as_json(facts)
        return
    with grid("", "") as table:
        table.columns[1].justify = "left"
        for name, value in facts.items():
            table.add_row(name.replace("_", " "), words(value))


def words(value: Any) -> str:
    """Return a fact as people read it.

    Examples
    --------
    >>> words({"share": 0.123456}), words([1, "a"]), words(1234), words(float("inf"))
    ('share 0.1235', '1, a', '1,234', 'never')
    """
    if isinstance(value, dict):
        return "\n".join(f"{k} {words(v)}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.4g}" if value < sys.float_info.max else "never"  # a threshold that nothing reaches
    if isinstance(value, int):
        return f"{value:,}"
    return str(getattr(value, "value", value))

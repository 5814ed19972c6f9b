"""Cases as a table: for whoever trains on verdicts, and weighs drawn ones by one over the chance that they had."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adjudge.service.cases.view import CaseView

if TYPE_CHECKING:
    import polars as pl

COLUMNS = (
    "id",
    "seq",
    "at",
    "state",
    "kind",
    "action",
    "score",
    "probability",
    "amount",
    "lot",
    "chance",
    "expected_loss",
    "minutes",
    "due",
    "late",
    "assigned",
    "linked",
    "truth",
)
"""What the table has of a case, named as in its view; words about people are not in it."""


def frame_of(cases: Sequence[CaseView]) -> pl.DataFrame:
    """Return cases as a table, one row each."""
    import polars as pl

    kinds: dict[str, Any] = {
        **dict.fromkeys(COLUMNS, pl.String),
        **dict.fromkeys(("seq", "score", "linked"), pl.Int64),
        **dict.fromkeys(("probability", "amount", "chance", "expected_loss", "minutes"), pl.Float64),
        **dict.fromkeys(("at", "due"), pl.Datetime("us", "UTC")),
        **dict.fromkeys(("late", "truth"), pl.Boolean),
    }
    return pl.DataFrame({name: [getattr(case, name) for case in cases] for name in COLUMNS}, schema=kinds)


def write(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as ``.parquet`` or ``.csv``; the old file stays whole until the new one is."""
    draft = path.with_name(path.name + ".part")
    if path.suffix == ".parquet":
        frame.write_parquet(draft)
    else:
        frame.write_csv(draft)
    draft.replace(path)

"""Tables in a run's folder: arrays and JSON, no pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from adjudge.learn.table import Table
from adjudge.typing import AnyArray

ARRAYS, NAMES = "table.npz", "table.json"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside a table.

    Parameters
    ----------
    names, extra
        Names of its features, and of what it carries along.
    as_of
        Up to when labels are known, microseconds UTC.
    stopped, lacking
        Events that were left out, see `adjudge.service.retrain.table.Logged`.
    texts
        What each categorical feature may hold.
    sha256
        Hash over all of it.
    """

    names: tuple[str, ...]
    extra: tuple[str, ...]
    as_of: int
    stopped: int
    lacking: int
    texts: dict[str, list[str]]
    sha256: str = ""


def write(
    folder: Path, table: Table, as_of: int, left_out: tuple[int, int], texts: Mapping[str, Sequence[str]]
) -> Facts:
    """Write a table into a folder.

    Parameters
    ----------
    folder
        Where.
    table
        The table; its ids are texts.
    as_of, texts
        See `Facts`.
    left_out
        `Facts.stopped` and `Facts.lacking`.
    """
    arrays: dict[str, AnyArray] = {
        "X": table.X,
        "ts": table.ts,
        "label": table.label,
        "known_at": table.known_at,
        "amount": table.amount,
        "entity": table.entity,
        "stopped": table.stopped,
        "ids": np.array(table.ids.tolist(), np.str_),
        **{f"extra_{name}": column for name, column in table.extra.items()},
    }
    plain = {name: list(words) for name, words in texts.items()}
    facts = Facts(
        names=table.names, extra=tuple(table.extra), as_of=as_of, stopped=left_out[0], lacking=left_out[1], texts=plain
    )
    digest = hashlib.sha256(msgspec.json.encode(facts, order="sorted"))
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    facts = msgspec.structs.replace(facts, sha256=digest.hexdigest())
    np.savez(folder / ARRAYS, allow_pickle=False, **arrays)
    (folder / NAMES).write_bytes(msgspec.json.encode(facts, order="sorted"))
    return facts


def read(folder: Path) -> tuple[Table, Facts]:
    """Return what `write` has written."""
    facts = msgspec.json.decode((folder / NAMES).read_bytes(), type=Facts)
    with np.load(folder / ARRAYS, allow_pickle=False) as file:
        arrays: dict[str, Any] = {name: file[name] for name in file.files}
    ids = arrays["ids"].astype(object)
    extra = {name: arrays[f"extra_{name}"] for name in facts.extra}
    plain = {name: arrays[name] for name in ("X", "ts", "label", "known_at", "amount", "entity", "stopped")}
    return Table(facts.names, **plain, ids=ids, extra=extra), facts

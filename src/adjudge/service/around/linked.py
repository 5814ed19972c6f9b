"""Who is linked to whom: entities that share events, as a graph that is walked from one of them at a time.

Two entities are tied where one event names both. An entity that very many events name, such as a large merchant, is
shown and not walked through: it ties nobody to anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from adjudge.errors import InputError, NotFoundError, did_you_mean
from adjudge.log.codec import Events
from adjudge.log.segment import Part
from adjudge.service.around.radial import radial
from adjudge.service.find import Finder
from adjudge.service.lookup import Lookup
from adjudge.typing import AnyArray, BoolArray, HashArray

if TYPE_CHECKING:
    from adjudge.service.workspace import Workspace

READ: frozenset[Part] = frozenset(("bodies", "fields"))
"""What is read of an event, beside its id: the same by all who look around one, who often look at the same events."""

MOST_NODES = 60
"""Most entities of one answer."""

MOST_NEXT, MOST_BEYOND = 20, 5
"""Most entities that are tied to the one in the middle, and to each of these."""

MOST_WALKED = 200
"""An entity that more decisions name is not walked through, unless it is the one in the middle."""

NEWEST = 1_000
"""Newest decisions of the one in the middle that are looked at for ties: a merchant may have a million."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One entity.

    Parameters
    ----------
    field, value
        Which; the value is empty where the person was erased.
    hops
        How far it is from the one in the middle.
    decisions, true, waiting
        How many decisions name it, how many of these are known to be true, and how many cases of it wait.
    walked
        Whether its own ties were followed; nobody follows those of an entity that very many decisions name.
    x, y
        Where it is drawn: the one in the middle is at 0, and all are within 1 of it.
    """

    field: str
    value: str
    hops: int
    decisions: int
    true: int
    waiting: int
    walked: bool
    x: float
    y: float


class Tie(msgspec.Struct, frozen=True):
    """Two entities by their places in the list, how many events name both, and how many of these are true."""

    a: int
    b: int
    events: int
    true: int


class Linked(msgspec.Struct, frozen=True):
    """The entities around one.

    Parameters
    ----------
    system, field, value
        Whose decisions were looked at, and the entity in the middle.
    nodes
        The entities, the one in the middle first.
    ties
        What ties them.
    left_out
        How many more are tied to those that were walked.
    """

    system: str
    field: str
    value: str
    nodes: list[Node]
    ties: list[Tie]
    left_out: int


class Key(NamedTuple):
    """An entity by the place of its key field, and the hash of its value."""

    column: int
    token: int


class _Found(NamedTuple):
    """What the walk has come upon: an entity, how far it is, where from, and the position of an event that names it."""

    key: Key
    hops: int
    parent: int
    seq: int


def linked(
    workspace: Workspace,
    finder: Finder,
    waiting: Mapping[tuple[str, int], int],
    lookup: Lookup,
    field: str,
    value: str,
    most: int = MOST_NODES,
) -> Linked:
    """Return the entities around one.

    Parameters
    ----------
    workspace, finder, lookup
        Where decisions are, what finds them, and what reads them.
    waiting
        How many cases of an entity wait, by key field and hash.
    field, value
        The entity in the middle.
    most
        Most entities to return, up to `MOST_NODES`.

    Raises
    ------
    InputError
        If there is no such key field.
    NotFoundError
        If no decision names it.
    """
    if field not in finder.keys:
        message = f"there is no key field {field[:40]!r}{did_you_mean(field[:40], finder.keys)}"
        raise InputError(message, field="field", code="unknown_field")
    own = finder.about(field, value)
    if not value or not len(own):
        message = f"no decision names a {field} of this value"
        raise NotFoundError(message)
    column = finder.keys.index(field)
    middle = _Found(Key(column, int(own["keys"][0, column])), 0, -1, int(own["seq"][-1]))
    found, left_out, rows_of = _walk(finder, middle, most)
    values = _values(workspace, finder, lookup, found)
    at = radial([one.parent for one in found])
    true = _true(rows_of, finder.true_ids())
    nodes = [
        Node(
            field=finder.keys[one.key.column],
            value=value if i == 0 else values[i],
            hops=one.hops,
            decisions=len(rows_of[one.key]),
            true=int(true[one.key].sum()),
            waiting=waiting.get((finder.keys[one.key.column], one.key.token), 0),
            walked=one.hops == 0 or (one.hops == 1 and len(rows_of[one.key]) <= MOST_WALKED),
            x=x,
            y=y,
        )
        for i, (one, (x, y)) in enumerate(zip(found, at, strict=True))
    ]
    return Linked(finder.system, field, value, nodes, _ties(found, rows_of, true), left_out)


def _walk(finder: Finder, middle: _Found, nodes: int) -> tuple[list[_Found], int, dict[Key, AnyArray]]:
    """Return the entities within two hops, how many were left out, and the decisions that name each."""
    found, known, left_out = [middle], {middle.key}, set[Key]()
    rows_of = {middle.key: finder.naming(*middle.key)}
    for i in range(nodes):
        if i >= len(found) or found[i].hops > 1:
            break
        one = found[i]
        rows = rows_of[one.key]
        if one.hops and len(rows) > MOST_WALKED:
            continue
        most = min(MOST_NEXT if one.hops == 0 else MOST_BEYOND, nodes - len(found))
        tied = [(key, seq) for key, seq in _tied(rows[-NEWEST:], one.key.column) if key not in known]
        left_out.update(key for key, _ in tied[most:])
        for key, seq in tied[:most]:
            known.add(key)
            found.append(_Found(key, one.hops + 1, i, seq))
            rows_of[key] = finder.naming(*key)
    return found, len(left_out - known), rows_of


def _tied(rows: AnyArray, column: int) -> list[tuple[Key, int]]:
    """Return the entities that events name beside one, those of most events first, and the newest event of each."""
    tied: Counter[Key] = Counter()
    newest: dict[Key, int] = {}
    for other in range(rows["keys"].shape[1]):
        tokens = rows["keys"][:, other]
        if other == column:
            continue
        for token, seq in zip(tokens.tolist(), rows["seq"].tolist(), strict=True):
            if token:
                tied[Key(other, token)] += 1
                newest[Key(other, token)] = seq
    ordered = sorted(tied, key=lambda key: (-tied[key], -newest[key], key.column))
    return [(key, newest[key]) for key in ordered]


def _true(rows_of: Mapping[Key, AnyArray], true: HashArray) -> dict[Key, BoolArray]:
    """Return which of the decisions that name an entity are known to be true."""
    ends = np.cumsum([len(rows) for rows in rows_of.values()])
    found = np.isin(np.concatenate([rows["id"] for rows in rows_of.values()]), true)
    return dict(zip(rows_of, np.split(found, ends[:-1]), strict=True))


def _ties(found: Sequence[_Found], rows_of: Mapping[Key, AnyArray], true: Mapping[Key, BoolArray]) -> list[Tie]:
    """Return what ties entities: each pair of different key fields with an event that names both."""
    place = {one.key: i for i, one in enumerate(found)}
    pairs: dict[tuple[int, int], dict[int, bool]] = {}
    for one in found:
        rows = rows_of[one.key][-NEWEST:]
        if one.hops > 1 or (one.hops == 1 and len(rows_of[one.key]) > MOST_WALKED):
            continue
        fraud = true[one.key][-NEWEST:].tolist()
        for seq, tokens, is_true in zip(rows["seq"].tolist(), rows["keys"].tolist(), fraud, strict=True):
            for column, token in enumerate(tokens):
                other = place.get(Key(column, token))
                if other is not None and column != one.key.column:
                    a, b = sorted((place[one.key], other))
                    pairs.setdefault((a, b), {})[seq] = is_true
    return [Tie(a, b, len(events), sum(events.values())) for (a, b), events in sorted(pairs.items())]


def _values(workspace: Workspace, finder: Finder, lookup: Lookup, found: Sequence[_Found]) -> list[str]:
    """Return what each entity is called, read from an event that names it."""
    values = [""] * len(found)
    seqs = [one.seq for one in found]
    for (first, block), places in lookup.grouped(seqs, READ):
        assert isinstance(block, Events)  # only these are decided
        for i in places:
            k = seqs[i] - first
            read = workspace.vault.read(finder.stream, block.ids[k].decode(), block.bodies[k])
            if not read.erased:
                values[i] = str(msgspec.json.decode(read.body).get(finder.keys[found[i].key.column]) or "")
    return values

"""A model card: what a bundle was made from, how it was judged, for whom it works less well, and what it is not for.

The card is data, kept in the bundle as JSON; people read it as Markdown, which is written from that
and from nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from adjudge.learn.bootstrap import Interval
from adjudge.learn.duel import LOWER, Compared, Duel
from adjudge.learn.slices import Slicing

CARD_JSON, CARD_TEXT, DUEL = "card.json", "card.md", "duel.json"
"""Files of a bundle: the card for programs, for people, and what came of the comparison."""

FORMAT = 1
"""Version of the card."""

NAMES = {
    "average_precision": "average precision",
    "recall_at_queue": "recall at the same alerts",
    "value_at_queue": "share of the money at the same alerts",
    "cost_per_day": "cost a day at the same alerts",
}
"""Figures as people read them."""


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle was made from.

    Parameters
    ----------
    first, last
        Event times of the first and of the last event, ISO 8601.
    known_until
        Up to when labels were known.
    events, frauds
        Decided events, and frauds known by then.
    stopped, lacking
        Events left out: stopped and never labelled; decided by definitions that lack a feature.
    sha256
        Hash over everything that was learnt from.
    """

    first: str
    last: str
    known_until: str
    events: int
    frauds: int
    stopped: int
    lacking: int
    sha256: str


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle is, for whoever has to approve it.

    Parameters
    ----------
    format
        Version of the card.
    system, meaning
        The system, and what it decides.
    how
        ``full`` or ``incremental``.
    parents
        Bundles that it was made from, or held against.
    data
        What it was made from.
    training
        Facts about the training.
    thresholds
        Value strictly above which an action is taken.
    duel
        How it compares with what decided when it was made.
    slices
        Figures by slice, with tests of whether slices differ.
    label
        What a positive event is.
    limits
        What it cannot do, or was not looked at.
    unseen
        Whether it is known that the champion was not fitted on the window; the new one never was.
    """

    format: int
    system: str
    meaning: str
    how: str
    parents: list[str]
    data: Data
    training: dict[str, str]
    thresholds: dict[str, float]
    duel: Duel
    slices: tuple[Slicing, ...]
    label: str
    limits: list[str]
    unseen: bool = True


def limits_of(data: Data, duel: Duel, slices: Sequence[Slicing], judged_days: float) -> list[str]:
    """Return what somebody should know before relying on a bundle.

    Parameters
    ----------
    data, duel, slices
        See `ModelCard`.
    judged_days
        How old an event of the window was at least when it was judged.
    """
    found = ["It scores events of the system it was made for, by the features it names; anything else is refused."]
    if data.stopped:
        found.append(
            f"{data.stopped:,} events were stopped and never labelled. They are in no figure here, so whether "
            "stopping them was right is not known."
        )
    if data.lacking:
        found.append(f"{data.lacking:,} decisions of before a change of definitions were left out.")
    if judged_days < 1:
        found.append(
            "The window is young: frauds that nobody had reported yet count as honest. The figures understate what is "
            "found, and favour whichever model is better at frauds that are reported fast."
        )
    if duel.frauds < 50:
        found.append(f"Only {duel.frauds} frauds of the window are known: the intervals say how little that is.")
    small = [one.field for one in slices if sum(part.figures["recall"].value is not None for part in one.slices) < 2]
    if small:
        found.append(f"Too few frauds to compare slices of {', '.join(small)}.")
    return found


def markdown(card: ModelCard) -> str:
    """Return a card for people.

    Parameters
    ----------
    card
        What to tell.
    """
    return "\n".join(
        [
            f"# Model card: {card.system}, {card.how}",
            "",
            card.meaning or f"Decides in the system {card.system}.",
            "",
            *_section("Intended use", _use(card)),
            *_section("Data", _facts(_data(card.data))),
            *_section("Training", _facts(card.training | {n: f"above {v:.6g}" for n, v in card.thresholds.items()})),
            *_section("Judged", _judged(card.duel, card.unseen)),
            *_section("Slices and fairness", _slices(card.slices)),
            *_section("Limits", [f"- {limit}" for limit in card.limits]),
        ]
    )


def _use(card: ModelCard) -> list[str]:
    parents = ", ".join(f"`{parent[:12]}`" for parent in card.parents) or "none"
    return [
        f"Gives the probability that an event is positive: {card.label}. What is done with it, the policy says.",
        "",
        f"Made from, or held against: {parents}.",
    ]


def _data(data: Data) -> dict[str, str]:
    return {
        "Events": f"{data.events:,}, {data.frauds:,} of them frauds known by then",
        "From, to": f"{data.first} to {data.last}",
        "Labels known until": data.known_until,
        "Left out": f"{data.stopped:,} stopped and never labelled, {data.lacking:,} that lack a feature",
        "SHA-256": f"`{data.sha256}`",
    }


def _judged(duel: Duel, unseen: bool) -> list[str]:
    against = f"bundle `{duel.champion[:12]}`" if duel.champion else "rules alone"
    fitted = "neither was fitted on" if unseen else "the champion may have been fitted on"
    told = [
        f"Against {against} on {duel.events:,} events from {moment(duel.start_us)} to {moment(duel.end_us)}, which "
        f"{fitted}, with {duel.frauds:,} frauds known at {moment(duel.known_us)} and "
        f"{duel.queue_per_day:.4g} alerts a day for both. Verdict: **{duel.verdict}**, at a confidence of "
        f"{duel.confidence:g}.",
        "",
    ]
    rows = [
        [NAMES.get(name, name), *map(_interval, (one.champion, one.challenger, one.difference)), _chance(name, one)]
        for name, one in duel.figures.items()
    ]
    return told + _table(["figure", "champion", "challenger", "difference", "chance of being better"], rows)


def _chance(name: str, one: Compared) -> str:
    note = " (lower is better)" if name in LOWER else ""
    return "" if one.chance is None else f"{one.chance:.1%}{note}"


def _slices(slices: Sequence[Slicing]) -> list[str]:
    told: list[str] = []
    for one in slices:
        rows = [
            [
                part.name,
                f"{part.events:,}",
                f"{part.frauds:,}",
                *(_interval(part.figures[name]) for name in ("recall", "false_positive_rate", "precision")),
            ]
            for part in one.slices
        ]
        told += ["", f"By `{one.field}`:", ""]
        told += _table(["slice", "events", "frauds", "recall", "false positives", "precision"], rows)
        told += [
            f"- {gap.figure.replace('_', ' ')}: {gap.low} and {gap.high} differ by {_interval(gap.size)}, "
            f"chance under no difference {gap.p:.2g} after correction"
            for gap in one.gaps
            if gap.p < 0.05
        ]
    return told or ["No field was asked for, and none has few enough values."]


def _section(title: str, lines: Iterable[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""]


def _facts(facts: Mapping[str, str]) -> list[str]:
    return _table(["", ""], [[name, text] for name, text in facts.items()])


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines]


def _interval(found: Interval) -> str:
    if found.value is None:
        return ""
    if found.low is None or found.high is None:
        return f"{found.value:.4g}"
    return f"{found.value:.4g} ({found.low:.4g} to {found.high:.4g})"


def moment(us: int) -> str:
    """Return a moment in microseconds as people read it, to the minute, UTC."""
    return datetime.fromtimestamp(us / 1e6, tz=UTC).strftime("%Y-%m-%d %H:%M")

"""Verbs of review work: list the cases of a running service, take the next one, note, assign and decide it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.text import Text

from adjudge.commands import remote
from adjudge.commands.keys import JsonOption, WhyOption
from adjudge.commands.show import as_json, err, grid, out, show
from adjudge.errors import InputError
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.service.cases.remote import RemoteCases
    from adjudge.service.cases.view import CaseView, DoneList

app = typer.Typer(
    help="Work the cases of a running service: decisions that a person looks at.\n\n"
    'Example: adjudge cases next; adjudge cases decide p17 --fraud --why "the customer did not know of it"',
    no_args_is_help=True,
    rich_markup_mode="rich",
)

IdsArgument = Annotated[list[str], typer.Argument(help="Ids of the events.")]
SystemOption = Annotated[str | None, typer.Option("--system", "-s", help="Whose cases, where there are several.")]
MOST_ROWS = 1_000
"""Cases of one request."""

DAY_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M"]


@app.command("list")
def list_(
    which: Annotated[
        str, typer.Argument(help="queue, waiting, mine, late, deferred, escalated, second, drawn, closed, all.")
    ] = "queue",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Most cases.")] = 20,
    start: Annotated[int, typer.Option(min=0, help="How many to leave out before.")] = 0,
    system: SystemOption = None,
    url: remote.UrlOption = remote.LOCAL,
    json: JsonOption = False,
) -> None:
    """List cases in the order in which they should be looked at: expected loss a minute of review, the most first.

    Example: adjudge cases list late --url https://decisions.example
    """
    with _desk(url) as desk:
        page = desk.cases(which, limit, start, system)  # type: ignore[arg-type]
    if json:
        as_json(page)
        return
    _table(page.cases)
    out.print(f"{page.total} cases; {page.within} fit into a day's review", highlight=False)


@app.command("show")
def show_(
    id_: Annotated[str, typer.Argument(help="Id of the event.")],
    system: SystemOption = None,
    url: remote.UrlOption = remote.LOCAL,
    json: JsonOption = False,
) -> None:
    """Show a case: its decision in words, notes and verdicts, what it is linked to, the ring it belongs to.

    Example: adjudge cases show p17
    """
    with _desk(url) as desk:
        found = desk.case(id_, system)
    if json:
        as_json(found)
        return
    _table([found.case])
    for words in (found.decision or {}).get("words", ()):
        out.print(Text(f"  {words}"))
    for note in found.case.notes:
        out.print(Text(f"  {note.at:%Y-%m-%d %H:%M}Z {note.who}: {note.text}"))
    for given in found.case.verdicts:
        out.print(Text(f"  {given.at:%Y-%m-%d %H:%M}Z {given.who} found it {str(given.value).lower()}: {given.why}"))
    for link in found.links:
        out.print(Text(f"  same {link.field}: {link.total} cases, {link.true} true: {', '.join(link.cases)}"))
    if len(found.ring) > 1:
        out.print(Text(f"  {len(found.ring)} cases hang together with it, itself among them"))


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="Where to: .csv or .parquet.")],
    system: SystemOption = None,
    url: remote.UrlOption = remote.LOCAL,
) -> None:
    """Write all cases as a table, with the chance at which each was drawn and what is true of it.

    Example: adjudge cases export cases.parquet
    """
    from adjudge.service.cases.table import frame_of, write

    if path.suffix not in (".csv", ".parquet"):
        msg = f"{path.name}: write .csv or .parquet"
        raise InputError(msg, field="path")
    found: list[CaseView] = []
    with _desk(url) as desk, Bars(err) as bars:
        while True:
            page = desk.cases("all", MOST_ROWS, len(found), system)
            found += page.cases
            bars("cases", len(found), page.total)
            if not page.cases:
                break
    write(frame_of(found), path)
    out.print(f"{len(found)} cases in {path}", highlight=False)


@app.command("next")
def next_(system: SystemOption = None, url: remote.UrlOption = remote.LOCAL, json: JsonOption = False) -> None:
    """Take the case to look at next; it is yours until you decide it or give it back.

    Example: adjudge cases next
    """
    from adjudge.service.cases.asked import Next

    with _desk(url) as desk:
        found = desk.next(Next(system=system))
    if json:
        as_json(found)
    elif found is None:
        out.print("nothing waits for you")
    else:
        _table([found])


@app.command()
def assign(
    ids: IdsArgument,
    why: WhyOption,
    to: Annotated[str, typer.Option(help="Who gets them; you unless given.")] = "",
    release: Annotated[bool, typer.Option("--release", help="Give them back to the queue instead.")] = False,
    system: SystemOption = None,
    url: remote.UrlOption = remote.LOCAL,
    json: JsonOption = False,
) -> None:
    """Give cases to somebody, or back to the queue.

    Example: adjudge cases assign p17 p18 --to bob --why "he knows the merchant"
    """
    from adjudge.service.cases.asked import Assign, HandBack

    if release and to:
        msg = "what is given back goes to nobody; leave out --to"
        raise InputError(msg, field="to")
    with _desk(url) as desk:
        done = desk.release(HandBack(ids, why, system)) if release else desk.assign(Assign(ids, why, to, system))
    _tell(done, json)


@app.command()
def note(
    ids: IdsArgument,
    text: Annotated[str, typer.Option("--text", "-t", help="What; the log keeps it for good.")],
    system: SystemOption = None,
    url: remote.UrlOption = remote.LOCAL,
    json: JsonOption = False,
) -> None:
    """Write something about cases.

    Example: adjudge cases note p17 --text "called the customer, no answer"
    """
    from adjudge.service.cases.asked import Write

    with _desk(url) as desk:
        done = desk.note(Write(ids, text, system))
    _tell(done, json)


@app.command()
def due(
    ids: IdsArgument,
    why: WhyOption,
    until: Annotated[datetime | None, typer.Option(formats=DAY_FORMATS, help="UTC; no deadline unless given.")] = None,
    system: SystemOption = None,
    url: remote.UrlOption = remote.LOCAL,
    json: JsonOption = False,
) -> None:
    """Give cases another deadline, or none.

    Example: adjudge cases due p17 --until 2026-12-24 --why "goods leave on the day after"
    """
    from adjudge.service.cases.asked import Limit

    end = None if until is None else until.replace(tzinfo=UTC)
    with _desk(url) as desk:
        done = desk.due(Limit(ids, why, end, system))
    _tell(done, json)


@app.command()
def decide(
    ids: IdsArgument,
    why: WhyOption,
    true: Annotated[bool, typer.Option("--fraud/--honest", help="What is true of them: the label, or not.")],
    minutes: Annotated[float | None, typer.Option(help="How long it took; else from when they were assigned.")] = None,
    ring: Annotated[
        bool, typer.Option("--ring", help="And everything that hangs together with them and waits.")
    ] = False,
    by: Annotated[str, typer.Option(help="Key fields that tie a ring, with commas; all unless given.")] = "",
    system: SystemOption = None,
    url: remote.UrlOption = remote.LOCAL,
    json: JsonOption = False,
) -> None:
    """Decide cases: the verdict becomes the label of their events.

    Example: adjudge cases decide p17 --fraud --ring --by device --why "one device, nine new customers"
    """
    from adjudge.service.cases.asked import Decide

    fields = [name.strip() for name in by.split(",") if name.strip()]
    with _desk(url) as desk:
        done = desk.decide(Decide(ids, true, why, minutes, ring, fields, system))
    _tell(done, json)


@app.command()
def undo(
    ids: IdsArgument,
    why: WhyOption,
    system: SystemOption = None,
    url: remote.UrlOption = remote.LOCAL,
    json: JsonOption = False,
) -> None:
    """Take your last verdict about cases back: they wait again, and are yours.

    Example: adjudge cases undo p17 --why "meant p18"
    """
    from adjudge.service.cases.asked import Undo

    with _desk(url) as desk:
        done = desk.undo(Undo(ids, why, system))
    _tell(done, json)


@app.command()
def defer(
    ids: IdsArgument,
    why: WhyOption,
    until: Annotated[datetime | None, typer.Option(formats=DAY_FORMATS, help="UTC; in a day unless given.")] = None,
    system: SystemOption = None,
    url: remote.UrlOption = remote.LOCAL,
    json: JsonOption = False,
) -> None:
    """Keep cases in hand until more is known: what is waited for, and until when.

    Example: adjudge cases defer p17 --until 2026-12-24 --why "the bank of the customer was asked"
    """
    from adjudge.service.cases.asked import Defer

    end = None if until is None else until.replace(tzinfo=UTC)
    with _desk(url) as desk:
        done = desk.defer(Defer(ids, why, end, system))
    _tell(done, json)


@app.command()
def escalate(
    ids: IdsArgument,
    why: WhyOption,
    system: SystemOption = None,
    url: remote.UrlOption = remote.LOCAL,
    json: JsonOption = False,
) -> None:
    """Pass cases on to somebody who knows more; they come first for everybody else.

    Example: adjudge cases escalate p17 --why "a lawyer has written"
    """
    from adjudge.service.cases.asked import Escalate

    with _desk(url) as desk:
        done = desk.escalate(Escalate(ids, why, system))
    _tell(done, json)


@app.command()
def summary(
    days: Annotated[float, typer.Option(min=0.01, max=36_500, help="Last days in which verdicts count.")] = 28.0,
    system: SystemOption = None,
    url: remote.UrlOption = remote.LOCAL,
    json: JsonOption = False,
) -> None:
    """Show how review goes: what waits, how long it takes, what it costs and finds, agreement, what random cases say.

    Example: adjudge cases summary --days 7 --json
    """
    with _desk(url) as desk:
        found = desk.summary(system, days)
    show(_facts(found), json)


@app.command()
def people(
    days: Annotated[float, typer.Option(min=0.01, max=36_500, help="Last days in which verdicts count.")] = 28.0,
    system: SystemOption = None,
    url: remote.UrlOption = remote.LOCAL,
    json: JsonOption = False,
) -> None:
    """Show who gave verdicts lately: how many, how fast, what they found, and how far others agree.

    Example: adjudge cases people --days 7
    """
    with _desk(url) as desk:
        found = desk.people(system, days)
    if json:
        as_json(found)
        return
    with grid("who", "verdicts", "an hour", "loss found", "true", "agree", "overruled") as table:
        for one in found.people:
            pace = "" if one.per_hour is None else f"{one.per_hour:,.1f}"
            agree = "" if one.agree is None else f"{one.agree:.0%} of {one.pairs}"
            true = f"{one.true} of {one.positive}"
            cells = (f"{one.verdicts:,}", pace, f"{one.found:,.2f}", true, agree, str(one.overruled))
            table.add_row(Text(one.who), *map(Text, cells))


@app.command()
def routine(
    why: WhyOption,
    random: Annotated[float | None, typer.Option(help="Chance of any decision to become a case.")] = None,
    learn: Annotated[float | None, typer.Option(help="The same where the model is least sure.")] = None,
    random_work: Annotated[float | None, typer.Option(help="Share of the work for random ones.")] = None,
    learn_work: Annotated[float | None, typer.Option(help="Share of the work for those to learn from.")] = None,
    second: Annotated[float | None, typer.Option(help="Share of cases that a second person looks at.")] = None,
    due_hours: Annotated[float | None, typer.Option(help="Hours from the event until a case is due.")] = None,
    minutes_per_day: Annotated[float | None, typer.Option(help="Minutes of review on a day.")] = None,
    system: SystemOption = None,
    url: remote.UrlOption = remote.LOCAL,
    json: JsonOption = False,
) -> None:
    """Say how cases are worked from here on; what is not given stays as it is.

    Example: adjudge cases routine --second 0.05 --random 0.001 --why "how well do we agree, and what do we miss?"
    """
    from adjudge.service.cases.asked import Work

    given = {
        "random": random,
        "learn": learn,
        "random_work": random_work,
        "learn_work": learn_work,
        "second": second,
        "due_hours": due_hours,
        "minutes_per_day": minutes_per_day,
    }
    with _desk(url) as desk:
        now = desk.summary(system).routine
        new = msgspec.structs.replace(now, **{name: value for name, value in given.items() if value is not None})
        found = desk.work(Work(new, why, system))
    show(_facts(found), json)


def _facts(found: Any) -> dict[str, Any]:
    return dict(msgspec.to_builtins(found))


def _tell(done: DoneList, json: bool) -> None:
    if json:
        as_json(done)
        return
    for one in done.results:
        out.print(Text(f"{one.id}: {one.status}"))


def _table(cases: list[CaseView]) -> None:
    with grid("case", "expected loss", "minutes", "score", "amount", "opened by", "state", "due") as table:
        for one in cases:
            word = "deferred" if one.until else "escalated" if one.escalated and not one.assigned else one.state
            state = f"{word} ({one.assigned})" if one.assigned else word
            end = "" if one.due is None else f"{one.due:%Y-%m-%d %H:%M}" + (" late" if one.late else "")
            amount = "" if one.amount is None else f"{one.amount:,.2f}"
            opened = " ".join(filter(None, (one.kind, one.lot)))
            cells = (f"{one.expected_loss:,.2f}", f"{one.minutes:.1f}", str(one.score), amount, opened, state, end)
            table.add_row(Text(one.id), *map(Text, cells))


def _desk(url: str) -> RemoteCases:
    from adjudge.service.cases.remote import RemoteCases

    return RemoteCases(url, os.environ.get(remote.KEY_VARIABLE, ""))

"""Verbs that change what decides: rules, policy and model, and what named lists hold."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
import yaml

from adjudge.commands.keys import JsonOption, UrlOption, WhoOption, WhyOption, name_of
from adjudge.commands.remote import KEY_VARIABLE
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of
from adjudge.errors import InputError

if TYPE_CHECKING:
    from adjudge.service.versions.desk import Activated, HeldList
    from adjudge.service.versions.remote import Desk
    from adjudge.service.versions.revision import Element, Entry

lists = typer.Typer(
    help="Change what named lists hold.\n\n"
    'Example: adjudge lists add blocked c-123 --system payments --why "reported stolen"',
    no_args_is_help=True,
    rich_markup_mode="rich",
)

OfOption = Annotated[str | None, typer.Option("--system", "-s", help="Name of the system, where there are several.")]
ListArgument = Annotated[str, typer.Argument(help="Name of the list.")]
ElementsArgument = Annotated[
    list[str] | None, typer.Argument(help="What it is about; lines of standard input if none are given.")
]
FromOption = Annotated[
    Path | None, typer.Option("--from", help="File with the columns value, expires and reason: CSV or Parquet.")
]
ExpiresOption = Annotated[
    str | None, typer.Option("--expires", help="Event time from which on they are none: a day, or a time with offset.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why each of them is one; what --why says unless given, where they expire.")
]
NumbersOption = Annotated[bool, typer.Option("--numbers", help="The list holds numbers.")]


def activate(
    why: WhyOption,
    rules: Annotated[Path | None, typer.Option("--rules", exists=True, dir_okay=False, help="A rule file.")] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", exists=True, dir_okay=False, help="A policy as JSON or YAML.")
    ] = None,
    bundle: Annotated[str, typer.Option("--bundle", "-b", help="Id of a bundle, or its path in the workspace.")] = "",
    definitions: Annotated[
        str | None, typer.Option("--definitions", help="Name of a system, or path of a folder with its definition.")
    ] = None,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Have a system decide with other rules, policy, model or definitions, from the next position of the log on.

    What is wrong is refused, and nothing is different. With --url a running service is changed, else a workspace at
    rest.

    Example: adjudge activate --rules rules.yaml --why "a ring of stolen cards" --url http://127.0.0.1:8000
    """
    from adjudge.define import Rules
    from adjudge.define.spec import to_spec
    from adjudge.discover import find
    from adjudge.service.versions.revision import Revision

    rule_file = None if rules is None else Rules.load(rules).document()
    spec = None if definitions is None else to_spec(find(definitions).build({}))
    revision = Revision(why, system, {}, rule_file, document_of(policy), bundle, spec)
    with desk_of(workspace, log, url, who) as desk:
        show_activated(desk.revise(revision), json)


@lists.command("set")
def set_(
    name: ListArgument,
    why: WhyOption,
    elements: ElementsArgument = None,
    source: FromOption = None,
    expires: ExpiresOption = None,
    reason: ReasonOption = "",
    numbers: NumbersOption = False,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Replace all that a list holds.

    Example: adjudge lists set blocked c-17 c-23 --why "cleaned up" --workspace payments
    """
    from adjudge.service.versions.revision import ListRevision, Revision

    revision = Revision(
        why, system, {name: ListRevision(set=_entries(elements, source, expires, reason, why, numbers))}
    )
    with desk_of(workspace, log, url, who) as desk:
        show_activated(desk.revise(revision), json)


@lists.command()
def add(
    name: ListArgument,
    why: WhyOption,
    elements: ElementsArgument = None,
    source: FromOption = None,
    expires: ExpiresOption = None,
    reason: ReasonOption = "",
    numbers: NumbersOption = False,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Add to what a list holds.

    Example: adjudge lists add blocked c-17 --why "reported stolen" --url http://127.0.0.1:8000

    Example: adjudge lists add blocked c-17 c-18 --expires 2026-12-31 --why "seen in a ring" --workspace payments

    Example: adjudge lists add blocked --from stolen.csv --why "the bank's list of May" --workspace payments
    """
    from adjudge.service.versions.revision import ListRevision, Revision

    revision = Revision(
        why, system, {name: ListRevision(add=_entries(elements, source, expires, reason, why, numbers))}
    )
    with desk_of(workspace, log, url, who) as desk:
        show_activated(desk.revise(revision), json)


@lists.command()
def remove(
    name: ListArgument,
    why: WhyOption,
    elements: ElementsArgument = None,
    numbers: NumbersOption = False,
    system: OfOption = None,
    who: WhoOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Remove from what a list holds.

    Example: adjudge lists remove blocked c-17 --why "it was found again" --url http://127.0.0.1:8000
    """
    from adjudge.service.versions.revision import ListRevision, Revision

    revision = Revision(why, system, {name: ListRevision(remove=_elements(elements, numbers))})
    with desk_of(workspace, log, url, who) as desk:
        show_activated(desk.revise(revision), json)


@lists.command()
def show(
    name: Annotated[str | None, typer.Argument(help="Name of a list, to tell all that it holds.")] = None,
    system: OfOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    url: UrlOption = None,
    json: JsonOption = False,
) -> None:
    """Tell what decides: versions, since when, and how much each list holds; or all that one list holds.

    Example: adjudge lists show --workspace payments

    Example: adjudge lists show blocked --workspace payments
    """
    with desk_of(workspace, log, url, None) as desk:
        if name is not None:
            _show_list(desk.held(name, system), json)
            return
        active = desk.active()
    if json:
        sys.stdout.write(msgspec.json.encode(active).decode() + "\n")
        return
    for one in active.systems:
        versions = ", ".join(f"{part} {version}" for part, version in one.versions.items())
        sys.stdout.write(f"{one.system} since position {one.seq:,}: {versions}\n")
        for held, size in one.lists.items():
            sys.stdout.write(f"  {held}: {size:,}\n")


@contextmanager
def desk_of(workspace: Path | None, log: str | None, url: str | None, who: str | None) -> Iterator[Desk]:
    """Open what is changed: the log of a workspace, or the service that runs on it."""
    if url is None:
        from adjudge.service.run import secret
        from adjudge.service.versions.offline import open_desk

        with open_desk(settings_of(workspace, log), secret(), name_of(who)) as offline:
            yield offline
        return
    from adjudge.service.versions.remote import RemoteVersions

    if who is not None:
        msg = "a service knows who asks it from the key; leave out --who"
        raise InputError(msg, field="who")
    with RemoteVersions(url, os.environ.get(KEY_VARIABLE, "")) as remote:
        yield remote


def document_of(path: Path | None) -> dict[str, Any] | None:
    """Return what a YAML or JSON file holds."""
    if path is None:
        return None
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f"{path.name} cannot be read: {error}"
        raise InputError(msg) from None
    if not isinstance(content, dict):
        msg = f"{path.name} must hold a mapping"
        raise InputError(msg)
    return content


def _show_list(held: HeldList, json: bool) -> None:
    if json:
        sys.stdout.write(msgspec.json.encode(held).decode() + "\n")
        return
    for entry in held.entries:
        until = "" if entry.expires is None else f"  until {entry.expires}"
        sys.stdout.write(f"{entry.value}{until}{'  ' if entry.reason else ''}{entry.reason}\n")


def _entries(
    given: list[str] | None, source: Path | None, expires: str | None, reason: str, why: str, numbers: bool
) -> list[Element | Entry]:
    """Return what is named, with what is said of all of it, or what a file says of each."""
    from adjudge.service.versions.revision import Entry

    if source is not None:
        if given or expires is not None:
            msg = "a file says itself what it is about, and until when: leave out elements and --expires"
            raise InputError(msg, field="from")
        return _from_file(source, reason, numbers)
    values = _elements(given, numbers)
    if expires is None and not reason:
        return [*values]
    return [Entry(value, expires, reason or why) for value in values]


def _from_file(source: Path, reason: str, numbers: bool) -> list[Element | Entry]:
    """Return the rows of a file with the columns value, and perhaps expires and reason."""
    from adjudge.errors import did_you_mean
    from adjudge.learn.source import read_table
    from adjudge.service.versions.revision import Entry

    frame = read_table(source)
    known = ("value", "expires", "reason")
    for column in frame.columns:
        if column not in known:
            msg = f"{source.name}: unknown column {column!r}{did_you_mean(column, known)}"
            raise InputError(msg, field=column)
    if "value" not in frame.columns:
        msg = f"{source.name} has no column 'value'"
        raise InputError(msg, field="value", code="missing_field")
    found: list[Element | Entry] = []
    for row, said in enumerate(frame.iter_rows(named=True)):
        value, until = said["value"], said.get("expires")
        if value is None:
            msg = f"{source.name}: row {row + 1} has no value"
            raise InputError(msg, field="value", row=row)
        text = until.isoformat() if isinstance(until, date) else until
        found.append(Entry(float(value) if numbers else str(value), text or None, said.get("reason") or reason))
    return found


def _elements(given: list[str] | None, numbers: bool) -> list[Element]:
    """Return what is named, on the command line or on standard input."""
    texts = given or [line.strip() for line in sys.stdin if line.strip()]
    if not numbers:
        return [*texts]
    try:
        return [float(text) for text in texts]
    except ValueError as error:
        msg = f"not all of them are numbers: {error}"
        raise InputError(msg) from None


def show_activated(done: Activated, json: bool) -> None:
    """Print what came of a change."""
    if json:
        sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
        return
    if done.status == "waiting":
        sys.stdout.write(f"{done.system} goes on as it is: proposal {done.proposal} waits for a second person\n")
        return
    said = {
        "active": "is active from",
        "unchanged": "was active already, since",
        "folding": "is folded, and active as soon as that is done; accepted at",
    }[done.status]
    versions = ", ".join(f"{part} {version}" for part, version in done.versions.items())
    sys.stdout.write(f"{done.system} {said} position {done.seq:,}: {versions}\n")


COMMANDS = (activate,)
"""The verbs, in the order in which they are listed."""

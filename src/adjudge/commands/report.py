"""The verb that writes a governance report: what a system did in a period, who let it, and what it was worth."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from adjudge.commands import analyse
from adjudge.commands.keys import JsonOption
from adjudge.commands.show import as_json, err, show
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of
from adjudge.errors import AdjudgeError, InputError
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.service.governance.facts import Report
    from adjudge.service.settings import Settings


def report(
    to: Annotated[
        Path | None, typer.Argument(help="HTML file for the page, or one that ends in .json; else --json prints all.")
    ] = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    system: Annotated[
        str | None, typer.Option("--system", "-s", help="Name of the system, where there are several.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day, UTC.")] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day that is not in it any more, UTC; today.")
    ] = None,
    slice_: Annotated[
        list[str] | None, typer.Option("--slice", help="Field to cut the events up by; may be given several times.")
    ] = None,
    set_up: Annotated[float, typer.Option(min=0, help="What the system has cost to set up, for pay-back.")] = 0.0,
    a_month: Annotated[float, typer.Option(min=0, help="What it costs a month to run.")] = 0.0,
    json: JsonOption = False,
) -> None:
    """Write what a system did in a period, from its log: versions, verdicts, slices, incidents, approvals, savings.

    Without --since it is about the thirty days before its end.

    Example: adjudge report --since 2026-05-01 --json -w payments

    Example: adjudge report may.html --since 2026-05-01 --until 2026-06-01 --set-up 80000 --a-month 3000 -w payments
    """
    from adjudge.service.governance import page
    from adjudge.service.governance.gather import Asked, gather
    from adjudge.service.verdict import wall_clock

    if to is None and not json:
        msg = "name a file for the page, such as may.html, or print everything with --json"
        raise InputError(msg, field="to", code="missing_field")
    now_us = wall_clock()
    end = (datetime.fromtimestamp(now_us // 1_000_000, UTC) if until is None else until - timedelta(days=1)).date()
    first = end - timedelta(days=29) if since is None else since.date()
    if first > end:
        msg = f"the period from {first} ends before it begins"
        raise InputError(msg, field="since", code="out_of_range")
    settings = settings_of(workspace, log)
    with Bars(err) as bars:
        analyse._export(settings, None)
        definitions, position, bundle = _deciding(settings, system)
        bars("report", 0, 1)
        asked = Asked(first, end, now_us, slice_ or (), set_up, a_month)
        found = gather(analyse._folder(settings, None), definitions, position, asked, _card(settings, bundle))
        if to is not None:
            page.write(found, to)
        bars("report", 1, 1)
    if to is None:
        as_json(found)
    else:
        show(_short(found, to), json)


def _short(found: Report, to: Path) -> dict[str, Any]:
    return {
        "report": str(to),
        "decisions": found.decisions,
        "versions": len(found.versions),
        "decided otherwise": sum(one.against for one in found.overrides),
        "incidents": len(found.incidents),
        "approvals": len(found.approvals),
        "net savings": round(found.savings.net, 2),
        "paid back after months": found.savings.pay_back_months if found.savings.set_up else None,
    }


def _deciding(settings: Settings, system: str | None) -> tuple[Any, int, str]:
    """Return the definitions that decide, where the log ends, and the id of the bundle."""
    from adjudge.define.spec import from_spec
    from adjudge.service.columns import named_system
    from adjudge.service.follow import Last
    from adjudge.service.home import open_log, snapshots_of

    with closing(open_log(settings)) as log:
        position = len(log)
        active = Last.before(log, snapshots_of(settings), position).active
    if not active:
        msg = "nothing has decided on this log yet: serve it once"
        raise InputError(msg, field="workspace")
    one = active[named_system(active, system)]
    if one.spec is None:
        msg = "the log is from before definitions were kept in it"
        raise InputError(msg, field="workspace")
    return from_spec(one.spec), position, one.bundle


def _card(settings: Settings, bundle: str) -> tuple[dict[str, Any], str]:
    """Return the model card of a bundle as JSON and in words; empty where there is none, or it is gone."""
    from adjudge.learn.modelcard import CARD_JSON, CARD_TEXT
    from adjudge.service.home import bundles_of
    from adjudge.service.run import secret

    if not bundle:
        return {}, ""
    try:
        made = bundles_of(settings, secret()).read(bundle)
    except AdjudgeError as error:
        err.print(f"the model card is left out: {error}", highlight=False, soft_wrap=True)
        return {}, ""
    facts, text = made.paper(CARD_JSON), made.paper(CARD_TEXT)
    return {} if facts is None else msgspec.json.decode(facts), "" if text is None else text.decode()


COMMANDS = (report,)
"""The verbs, in the order in which they are listed."""

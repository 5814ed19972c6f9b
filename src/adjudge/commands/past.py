"""Where a verb gets the past from that it looks at: a system's data, a log, or the export of one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adjudge.commands.origin import source_of
from adjudge.errors import InputError
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.learn.past import Past

BundleOption = Annotated[
    Path | None, typer.Option("--bundle", "-b", help="Bundle whose model decides beside the rules, on data.")
]
ExportOption = Annotated[Path | None, typer.Option("--export", help="Folder that adjudge export has made.")]
SinceOption = Annotated[datetime | None, typer.Option("--since", help="Leave out events before this time (UTC).")]
UntilOption = Annotated[datetime | None, typer.Option("--until", help="Leave out events from this time (UTC) on.")]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Origin:
    """What the command line says about where a past comes from.

    Parameters
    ----------
    system
        Name or folder of a system; of a log or an export the name of one in it, None where there is only one.
    data, simulate, seed
        A system's own data, or so many made-up events.
    bundle
        Whose model decides beside the rules, on data.
    export
        Folder of an export.
    workspace, log
        Where the log is, where nothing of the above is given.
    since, until
        Bounds of the event time, UTC.
    archive
        Folder with the beginning of the log.
    """

    system: str | None
    data: Path | None = None
    simulate: int | None = None
    seed: int = 7
    bundle: Path | None = None
    export: Path | None = None
    workspace: Path | None = None
    log: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    archive: Path | None = None

    @property
    def span(self) -> tuple[int, int]:
        """Bounds of the event time in microseconds."""
        first, last = (
            None if moment is None else (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
            for moment in (self.since, self.until)
        )
        return (-(2**62) if first is None else first), (2**62 if last is None else last)


def past_from(origin: Origin, names: Collection[str], bars: Bars) -> tuple[Past, Callable[[str], int]]:
    """Return a past and the hash under which texts stand in it.

    Parameters
    ----------
    origin
        Where it comes from.
    names
        Fields and features that are to be read.
    bars
        Shows how far it is.

    Raises
    ------
    InputError
        If more than one place is named, or what is named is not there.
    """
    given = [origin.data is not None or origin.simulate is not None, origin.export is not None]
    given.append(origin.workspace is not None or origin.log is not None)
    if sum(given) > 1:
        msg = "name one past: --data or --simulate, --export, or --workspace"
        raise InputError(msg)
    of = _of_data if given[0] else _of_export if given[1] else _of_log
    past, secret = of(origin, names, bars)
    from adjudge.engine.hashing import TEXT_TAG, hash_text

    past = past.between(*origin.span)
    if not len(past):
        msg = "there are no events in this span of time"
        raise InputError(msg)
    return past, partial(hash_text, secret, TEXT_TAG)


def _of_data(origin: Origin, names: Collection[str], bars: Bars) -> tuple[Past, bytes]:
    """Return the past of a system's own data, decided by its rules and perhaps the model of a bundle."""
    from adjudge.engine import compile
    from adjudge.learn import bundle as bundles
    from adjudge.learn.backfilled import backfilled_past
    from adjudge.service.run import secret

    key = secret()
    found, source = source_of(origin.system or "payments", origin.data, origin.simulate, origin.seed, bars)
    read = None if origin.bundle is None else bundles.read(origin.bundle, key)
    thresholds = {} if read is None else read.manifest.thresholds
    plan = compile(found.build(source.lists), secret=key, thresholds=thresholds)
    scorer = None if read is None else read.scorer
    return backfilled_past(plan, source, names, scorer=scorer, progress=bars), key


def _of_log(origin: Origin, names: Collection[str], bars: Bars) -> tuple[Past, bytes]:
    """Return the past that a workspace's log holds."""
    from contextlib import closing

    from adjudge.commands.workspace import settings_of
    from adjudge.service.archive.joined import open_with
    from adjudge.service.columns import logged_past
    from adjudge.service.home import snapshots_of
    from adjudge.service.run import secret

    key, settings = secret(), settings_of(origin.workspace, origin.log)
    with closing(open_with(settings, origin.archive)) as log:
        past = logged_past(
            log,
            names,
            secret=key,
            system=origin.system,
            snapshots=snapshots_of(settings),
            told=lambda done, of: bars("read", done, of),
        )
    return past, key


def _of_export(origin: Origin, names: Collection[str], bars: Bars) -> tuple[Past, bytes]:
    """Return the past that the export of a log holds; its texts are plain, so any secret will do."""
    from adjudge.engine import SECRET
    from adjudge.service.export.columns import exported_past

    assert origin.export is not None  # that is why it was chosen
    bars("read", 0, 1)
    past = exported_past(origin.export, names, secret=SECRET, system=origin.system)
    bars("read", 1, 1)
    return past, SECRET

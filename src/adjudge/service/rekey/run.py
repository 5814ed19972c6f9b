"""Replacing the secret of a workspace that no service runs on, and leaving it ready to be started with the new one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from adjudge.service import logs, snapshot
from adjudge.service.activation import secret_of
from adjudge.service.archive.joined import open_with
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower, Told, active_at, nobody
from adjudge.service.home import bundles_of, holder, open_keys, snapshots_of
from adjudge.service.rekey.entry import Rekey
from adjudge.service.resolver import Resolver
from adjudge.service.settings import Settings

if TYPE_CHECKING:
    from adjudge.engine.plan import Plan


def replace_secret(
    old: Sequence[Plan],
    new: Sequence[Plan],
    settings: Settings,
    *,
    who: str,
    why: str,
    archive: Path | None = None,
    told: Told = nobody,
) -> Rekey:
    """Log the rekey, then fold the log with the new secret, write a snapshot, and name the keys of persons anew.

    If anything fails after the entry is logged, the next start with the new secret does the rest.

    Parameters
    ----------
    old, new
        The systems compiled with either secret.
    settings
        Where the workspace is.
    who, why
        Who replaces it and for what reason, for the log.
    archive
        Folder of the log's archive; None for none.
    told
        Is told how far folding has come.

    Raises
    ------
    UnavailableError
        If a service runs on the workspace.
    """
    folder = snapshots_of(settings)
    with closing(open_with(settings, archive)) as log, ExitStack() as stack:
        resolver = Resolver(old, bundles_of(settings, secret_of(old)), gives=False)
        active = resolver.starting(active_at(log, folder, len(log)))
        follower = Follower(active, log, folder, say=logs.say, keys=stack.enter_context(open_keys(active, settings)))
        follower.catch_up(told)
        decider = Decider(old, log, holder=holder(), follower=follower, resolver=resolver)
        rekey = decider.rekey(secret_of(new), who=who, why=why)
    with closing(open_with(settings, archive)) as log, ExitStack() as stack:
        resolver = Resolver(new, bundles_of(settings, secret_of(new)), gives=False)
        active = resolver.starting(active_at(log, folder, len(log)))
        follower = Follower(active, log, say=logs.say, keys=stack.enter_context(open_keys(active, settings)))
        follower.catch_up(told)
        if folder is not None:
            # with an archive nothing else leads to the state by the new secret, so it has to stay
            snapshot.save(follower.workspace, follower.end, folder, pinned=archive is not None)
        Decider(new, log, holder=holder(), follower=follower, resolver=resolver)
    return rekey

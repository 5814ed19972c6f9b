"""Over HTTP: erasing a person, and the log with personal values readable for those who may read them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from fastapi import FastAPI, Request, Response

from adjudge.log import Entry, Kind
from adjudge.service.access.api import Body, read
from adjudge.service.access.gate import visitor_of
from adjudge.service.access.scope import Principal, Scope
from adjudge.service.retrain.forget import forget_runs

if TYPE_CHECKING:
    from adjudge.service.decider import Decider
    from adjudge.service.personal.seal import Vault


class NewErasure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person who is to be erased.

    Parameters
    ----------
    stream
        A stream that has personal fields.
    person
        The value of its person field; it is neither logged nor answered.
    why
        The reason, for the log.
    """

    stream: str
    person: str
    why: str


class ErasureDone(msgspec.Struct, frozen=True):
    """What became of it.

    Parameters
    ----------
    erased
        False if there was nothing left to erase.
    """

    erased: bool


def add_erasures(api: FastAPI, decider: Decider, body_of: Body, runs: Path) -> None:
    """Add the route that erases a person.

    Parameters
    ----------
    api
        Gets the route.
    decider
        What decides.
    body_of
        Reads bodies.
    runs
        Folder of retrains: those that were cut short have rows of persons.
    """

    def erased(asked: NewErasure, who: str) -> bool:
        done = decider.erase(asked.stream, asked.person, who=who, why=asked.why)
        forget_runs(runs)
        return done

    @api.post("/v1/erasures")
    async def erase(request: Request) -> Response:
        """Erase a person: the key of the readable values is destroyed, the histories go; once more changes nothing."""
        asked = read(await body_of(request), NewErasure)
        who = visitor_of(request).principal.who
        # on a thread, because it looks through the log before it keeps anybody waiting
        done = await asyncio.to_thread(erased, asked, who)
        return Response(msgspec.json.encode(ErasureDone(done)), media_type="application/json")


def opened(entries: Iterable[Entry], vault: Vault, principal: Principal) -> Iterator[Entry]:
    """Yield entries of the log, personal values readable if whoever asks may read decisions too.

    Parameters
    ----------
    entries
        As the log has them.
    vault
        Opens bodies.
    principal
        Who asks.

    Raises
    ------
    KeysError
        If a key is not in the store and was not destroyed.
    """
    for entry in entries:
        if entry.kind == Kind.EVENT and Scope.REVIEW in principal.scopes:
            body = vault.read(entry.stream, entry.id, bytes(entry.content)).body
            yield msgspec.structs.replace(entry, content=msgspec.Raw(body))
        else:
            yield entry

"""What is said about events: of a few that are named one by one, or of those in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from adjudge.commands.lines import Format, Line
from adjudge.errors import InputError

if TYPE_CHECKING:
    from adjudge.client import Answers, AsyncClient, Done
    from adjudge.commands.bulk import Summary

ROLES = {"id": "id", "stream": "category", "label": "category", "outcome": "category", "value": "boolean"}
"""What the columns of a file hold."""


@dataclass(frozen=True)
class Said:
    """One thing that is said about some events.

    Parameters
    ----------
    verb
        What kind of thing.
    ids
        The events, where they are named one by one.
    source
        The file of them, where they are not.
    format
        The file's format.
    fill
        What a row leaves out, by field; None for nothing.

    Raises
    ------
    InputError
        If there is neither an id nor a file, or both.
    """

    verb: Literal["label", "outcome", "retract"]
    ids: list[str] | None
    source: Path | None
    format: Format | None
    fill: Mapping[str, str | bool | None]

    def __post_init__(self) -> None:
        if bool(self.ids) == (self.source is not None):
            message = "say which events: their ids, or a file of them with --from"
            raise InputError(message, field="ids", code="missing_field")

    async def to(self, client: AsyncClient, refused: Path | None) -> Summary:
        """Say it to a service and return how it went.

        Parameters
        ----------
        client
            Talks to the service; is closed in the end.
        refused
            Where refused rows go.
        """
        from adjudge.client.rows import encode
        from adjudge.commands.job import Job, Rows

        async def ask(some: list[msgspec.Raw]) -> Answers[Done]:
            answers: Answers[Done] = await getattr(client, f"{self.verb}_many")([self._filled(row) for row in some])
            return answers

        job = Job(self.verb, refused=refused)
        async with client:
            if self.source is None:
                lines = [Line(number, encode({"id": id_})) for number, id_ in enumerate(self.ids or [], start=1)]
                return await job.run(lines, len(lines), ask)
            rows = Rows(self.source, self.format)
            with rows.open(ROLES) as read:
                return await job.run(read, rows.count(), ask)

    def _filled(self, row: msgspec.Raw) -> Any:
        values = msgspec.json.decode(row)
        if not isinstance(values, dict):
            return row  # for the service to refuse
        given = {name: value for name, value in self.fill.items() if value is not None}
        if self.ids and self.verb != "retract":
            given.setdefault("value", True)
        return {**given, **values}

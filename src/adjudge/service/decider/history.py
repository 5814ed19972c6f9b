"""Importing what happened before the first decision: logged and folded as it was, never decided."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from adjudge.errors import InputError
from adjudge.log.codec import Block, Table
from adjudge.service import table
from adjudge.service.blocks import sealed_table
from adjudge.service.decider.post import Post
from adjudge.service.fold import Folder


class Importing(Post):
    """Brings history in."""

    def import_table(self, stream: str, frame: Any) -> int:
        """Bring in history from before the first decision: logged and folded, not decided, never too late.

        A table is kept as it is, in pieces; where its stream has personal fields it is kept event by event, and they
        are sealed. It is checked as a whole before any of it comes in.

        Parameters
        ----------
        stream
            Its stream.
        frame
            A Polars table in the order in which the events were known, as `Plan.encode_frame` reads it.

        Returns
        -------
        int
            How many events came in.

        Raises
        ------
        InputError
            If something has been decided already, an id comes twice, or the table does not fit the stream.
        """
        with self._alone():
            self._settle()
            if self.workspace.decided:
                message = "history can only be imported before the first decision"
                raise InputError(message, code="too_late")
            schema = self.workspace.door(stream).schema
            ids = table.check(schema, frame, self.workspace.ids[stream])
            if not ids:
                return 0
            first = self.writer.position
            batches = self.workspace.prepare_table(first, stream, frame)
            if schema.person_field is not None:
                for blocks in sealed_table(self.workspace, stream, first, frame, batches):
                    self._import(blocks, functools.partial(Folder(self.workspace).all, self.writer.position, blocks))
                return len(ids)
            for start in range(0, len(ids), table.ROWS):
                stop = min(start + table.ROWS, len(ids))
                rows, known = frame[start:stop], ids[start:stop]
                encoded = [(running, batch.part(start, stop)) for running, batch in batches]
                insert = functools.partial(self.workspace.insert, first + start, stream, rows, known, encoded)
                self._import([Table(stream, len(known), table.encode(rows))], insert)
            return len(ids)

    def _import(self, blocks: Sequence[Block], fold: Callable[[], None]) -> None:
        """Log history and fold it."""
        self.writer.append(blocks, self.clock())
        with self._folding("folding an imported table"):
            fold()

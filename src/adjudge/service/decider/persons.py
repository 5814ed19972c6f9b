"""What persons may ask for, and who keeps their secrets: erasure, and another secret for keys, ids and texts."""

from __future__ import annotations

from adjudge.service.access.ledger import check_signed
from adjudge.service.decider.post import Post
from adjudge.service.personal.erasure import Search
from adjudge.service.rekey.collect import note_of_rekey
from adjudge.service.rekey.entry import Rekey


class Persons(Post):
    """Erases persons, and replaces the secret."""

    def erase(self, stream: str, person: str, *, who: str, why: str) -> bool:
        """Erase a person: destroy the key, and drop the histories of the person's own entities.

        The log says who was meant only as a keyed hash. Looking through the log comes first and holds nobody up.

        Parameters
        ----------
        stream
            A stream that has personal fields.
        person
            The value of its person field; never repeated.
        who, why
            Who asks for it and for what reason, for the log.

        Returns
        -------
        bool
            False if there is nothing left to erase.

        Raises
        ------
        InputError
            If the stream has no personal fields, or nobody is named or gives a reason; or if what stood beside the
            person has to be known and was archived.
        UnavailableError
            If the log cannot be written, or the key cannot be destroyed now: then it is as soon as this is called
            again or the next decider starts; until then it is not used.
        """
        check_signed(who, why)
        target = self.workspace.person(stream, person)
        before = self.workspace.erased.get(target)
        search = Search(self.workspace, target, 0 if before is None else before.position)
        search.go_on()
        with self._alone():
            self._settle()
            search.go_on()
            erasure = search.erasure()
            if erasure is None:
                self.workspace.vault.finish()
                return False
            position = self.writer.position
            self.writer.append([erasure.note(who, why)], self.clock())
            with self._folding("folding an erasure"):
                self.workspace.erase(position, erasure)
            self.workspace.vault.finish()
            return True

    def rekey(self, secret: bytes, *, who: str, why: str) -> Rekey:
        """Replace the secret that keys, ids and texts are hashed with; nothing can be decided here afterwards.

        Whoever starts with plans for the new secret folds the log with it and goes on.

        Parameters
        ----------
        secret
            The new one, 16 bytes.
        who, why
            Who replaces it and for what reason, for the log.

        Raises
        ------
        InputError
            If the log was hashed with it before, or its beginning was archived.
        UnavailableError
            If the log cannot be written, or values cannot be read that nobody has erased.
        """
        check_signed(who, why)
        with self._alone():
            self._settle()
            note = note_of_rekey(self.workspace, secret, who, why)
            self.writer.append([note], self.clock())
            rekey = Rekey.read(note)
            self.broken = f"the secret was replaced: start again with the one whose fingerprint is {rekey.new}"
            return rekey

"""Taking back what was folded: from a hold on, changes are noted in a journal, until they are undone or kept."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from adjudge.errors import HoldError
from adjudge.history.codes import STATE_JOURNAL
from adjudge.typing import HashArray, IntArray

FIRST_WORDS = 1 << 12
"""Length of a new journal, in words."""

MOST_WORDS = 1 << 20
"""A journal that became longer than this is given up with its hold."""

ERASING = "what is held cannot be erased: restore or release it first"
HELD = "what is held already cannot be held again: restore or release it first"
NOT_HELD = "what is not held can be neither restored nor released"


class Undoable(ABC):
    """What is folded, and can be taken back to how it was before.

    A hold covers any number of folds. Without one nothing is noted.

    Parameters
    ----------
    state
        Where the kernels keep how many words of the journal are in use; -1 while nothing is held.

    Examples
    --------
    >>> from adjudge.history import INSERT, Profiles
    >>> profiles = Profiles(1)
    >>> def insert(key, value):
    ...     row = np.array([[value]])
    ...     profiles.fold(np.array([INSERT], np.int8), np.array([key], np.uint64), row, np.empty((1, 1)))
    >>> insert(7, 1.0)
    >>> before = profiles.digest()
    >>> profiles.hold()
    >>> insert(7, 2.0)
    >>> insert(8, 3.0)
    >>> profiles.restore()
    >>> profiles.digest() == before
    True
    """

    def __init__(self, state: IntArray) -> None:
        self._state = state
        # A hold for every event is to cost little, and setting an item of an array takes twice as long as of its view.
        self._words = state.data
        self._words[STATE_JOURNAL] = -1
        self._journal: IntArray = np.empty(FIRST_WORDS, dtype=np.int64)
        self._held = False

    @property
    def held(self) -> bool:
        """Whether what is done now can be taken back."""
        return self._held

    def hold(self) -> None:
        """Note from here on what folding changes, so that `restore` can take it back.

        Raises
        ------
        HoldError
            If it is held already.
        """
        if self._held:
            raise HoldError(HELD)
        self._held = True
        self._words[STATE_JOURNAL] = 0

    def restore(self) -> None:
        """Take back whatever was folded since `hold`: no digest and no later answer tells that it has ever been.

        Raises
        ------
        HoldError
            If it is not held.
        """
        if not self._held:
            raise HoldError(NOT_HELD)
        self._roll_back()
        self.release()

    def release(self) -> None:
        """Keep whatever was folded since `hold`, and forget how it was before.

        Raises
        ------
        HoldError
            If it is not held.
        """
        if not self._held:
            raise HoldError(NOT_HELD)
        self._held = False
        self._words[STATE_JOURNAL] = -1
        if len(self._journal) > MOST_WORDS:
            self._journal = np.empty(FIRST_WORDS, dtype=np.int64)

    def erase(self, keys: HashArray) -> None:
        """Take keys out with all of their rows, as if they had never been; this cannot be taken back.

        Parameters
        ----------
        keys
            Hashes of keys; those that are not there are passed over.

        Raises
        ------
        HoldError
            If it is held.
        """
        if self._held:
            raise HoldError(ERASING)
        self._erase(keys)

    def _lengthen_journal(self) -> None:
        self._journal = np.concatenate([self._journal, np.empty_like(self._journal)])

    @abstractmethod
    def _erase(self, keys: HashArray) -> None:
        """Take keys out with all of their rows."""

    @abstractmethod
    def _roll_back(self) -> None:
        """Undo what the journal says, from its end to its beginning."""

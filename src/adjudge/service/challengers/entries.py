"""Steps of challengers as entries of the log, and the fold over them: who was seated, shared, promoted or taken back.

What runs stands in the activation. A step stands beside it in the same commit and says who wanted it, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from adjudge.errors import NotFoundError, did_you_mean
from adjudge.log.codec import Note
from adjudge.service.access.ledger import Act, note_of

STEPPED = "challenger_stepped"
"""The action: something has become of a challenger."""

KEPT = 200
"""How many challengers that run no more are shown; the log has them all."""

What = Literal["shadow", "share", "promoted", "retired", "rolled_back", "restored"]

ENDS: frozenset[What] = frozenset(("promoted", "retired", "rolled_back", "restored"))
"""After these it runs no more."""


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something has become of a challenger.

    Parameters
    ----------
    seq, at_us
        Position of its entry, and its time, microseconds UTC.
    what
        ``shadow`` or ``share`` where it runs so from here on; ``promoted`` where it decides alone; ``retired``;
        ``rolled_back`` where a guard has taken it back; ``restored`` where it decides again after a promotion.
    who, why
        Who wanted it, and the reason.
    share
        Of the events that it decides from here on.
    figures
        What was known of it then, where it was judged by that.
    """

    seq: int
    at_us: int
    what: What
    who: str
    why: str
    share: float = 0.0
    figures: dict[str, Any] = {}


class Career(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that has become of one challenger since it was seated.

    Parameters
    ----------
    system, name
        Whose challenger, and its name.
    steps
        In order; at least one.
    release
        Id of the release that it is; empty where it is registered nowhere.
    """

    system: str
    name: str
    steps: list[Step]
    release: str = ""

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self.steps[-1].what in ENDS

    @property
    def since_us(self) -> int:
        """Since when it has run."""
        return self.steps[0].at_us


class _Stepped(msgspec.Struct):
    system: str
    name: str
    what: What
    share: float = 0.0
    release: str = ""
    figures: dict[str, Any] = {}


class Careers:
    """The challengers of a workspace: those that run, and those that ran last.

    Parameters
    ----------
    careers
        Those of a snapshot.

    Examples
    --------
    >>> from adjudge.service.access.ledger import MemoryLedger
    >>> careers = Careers()
    >>> ledger = MemoryLedger(lambda: 0, careers)
    >>> seq = ledger.record(STEPPED, "ada", "labels of May", {"system": "shop", "name": "may", "what": "shadow"})
    >>> seq = ledger.record(STEPPED, "bob", "better", {"system": "shop", "name": "may", "what": "promoted"})
    >>> [(one.name, one.steps[-1].what, one.ended) for one in careers]
    [('may', 'promoted', True)]
    """

    def __init__(self, careers: Iterable[Career] = ()) -> None:
        self._careers = list(careers)

    def __len__(self) -> int:
        return len(self._careers)

    def __iter__(self) -> Iterator[Career]:
        return iter([*self._careers])  # somebody may take a step meanwhile, on another thread

    def find(self, system: str, name: str) -> Career:
        """Return the last career of a name.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        own = [one for one in self if one.system == system]
        for one in reversed(own):
            if one.name == name:
                return one
        known = {one.name for one in own}
        message = f"system {system!r} has no challenger {name[:80]!r}{did_you_mean(name[:80], known)}"
        raise NotFoundError(message)

    def apply(self, act: Act) -> None:
        """Fold the next management action."""
        if act.action != STEPPED:
            return
        said = msgspec.convert(act.content, _Stepped)
        step = Step(act.seq, act.at_us, said.what, act.who, act.why, said.share, said.figures)
        for i in range(len(self._careers) - 1, -1, -1):
            one = self._careers[i]
            if (one.system, one.name) == (said.system, said.name) and not one.ended:
                self._careers[i] = msgspec.structs.replace(one, steps=[*one.steps, step])
                break
        else:
            self._careers.append(Career(said.system, said.name, [step], said.release))
        self._forget()

    def _forget(self) -> None:
        """Forget the oldest that run no more, so that a snapshot stays small."""
        over = sum(one.ended for one in self._careers) - KEPT
        if over > 0:
            gone = [i for i, one in enumerate(self._careers) if one.ended][:over]
            self._careers = [one for i, one in enumerate(self._careers) if i not in gone]


def step_note(
    who: str,
    why: str,
    system: str,
    name: str,
    what: What,
    *,
    share: float = 0.0,
    release: str = "",
    figures: Mapping[str, Any] | None = None,
) -> Note:
    """Return the entry of a step, for the commit that makes it; see `Step`."""
    content: dict[str, Any] = {"system": system, "name": name, "what": what}
    content |= {"share": share} if share else {}
    content |= {"release": release} if release else {}
    content |= {"figures": dict(figures)} if figures else {}
    return note_of(STEPPED, who, why, content)

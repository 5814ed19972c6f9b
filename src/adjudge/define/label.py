"""Labels and outcomes: what is learned about an event after it happened.

A label is the truth that a model learns. An outcome is anything else that comes to be known about an event (declined,
step-up failed). Both name an event, carry a time of their own, and from then on are part of that event's row: as
marks, each of which is set, not set, or unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from adjudge.errors import DefinitionError, did_you_mean


@dataclass(frozen=True)
class Label:
    """The truth about an event, known later.

    Parameters
    ----------
    name
        Stable name such as ``fraud``.
    delay
        How long after an event its label may be trusted to be known; training and rates leave out what is younger.
    meaning
        One sentence for the catalogue.

    Examples
    --------
    >>> Label("fraud").delay.days
    7
    """

    name: str
    delay: timedelta = timedelta(days=7)
    meaning: str = ""

    @property
    def values(self) -> tuple[str, ...]:
        """None: a label is true or false."""
        return ()

    @property
    def marks(self) -> tuple[str, ...]:
        """The one mark that it sets, of its own name."""
        return (self.name,)


@dataclass(frozen=True)
class Outcome:
    """Something else that becomes known about an event, and that later features may count.

    Parameters
    ----------
    name
        Stable name such as ``declined``.
    decided
        Actions of the system itself that set the outcome at once, besides entries from outside.
    meaning
        One sentence for the catalogue.
    values
        What it may come to, such as ``("passed", "failed", "timed_out")``: the last one said counts, and features
        count each by a name of its own. Empty for an outcome that is true or false.

    Raises
    ------
    DefinitionError
        If it has values that are no plain names, or that come twice, or fewer than two; or if actions set it as well.

    Examples
    --------
    >>> Outcome("verification", values=("passed", "failed", "timed_out")).marks
    ('verification_passed', 'verification_failed', 'verification_timed_out')
    >>> Outcome("declined", decided=("block",)).marks
    ('declined',)
    """

    name: str
    decided: tuple[str, ...] = ()
    meaning: str = ""
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.values:
            return
        where = f"outcome {self.name!r}"
        wrong = [v for v in self.values if not v.isidentifier() or v.lower() in ("true", "false")]
        if wrong:
            msg = f"{where}: a value is a plain name such as 'failed', not {wrong[0]!r}"
            raise DefinitionError(msg)
        if len(self.values) < 2 or len(set(self.values)) < len(self.values):
            msg = f"{where} needs two or more values, none of them twice"
            raise DefinitionError(msg)
        if self.decided:
            msg = f"{where} has values; only an outcome that is true or false can be set by actions"
            raise DefinitionError(msg)

    @property
    def marks(self) -> tuple[str, ...]:
        """What it sets: one mark for each value, of which one is set and the others are not; else one of its name."""
        return tuple(f"{self.name}_{value}" for value in self.values) or (self.name,)


Truth = Label | Outcome
"""Whatever becomes known about an event."""


def problem_with(truth: Truth, value: bool | str) -> str:
    """Return why something cannot be said of a label or an outcome, in words that follow its name; empty if it can.

    Parameters
    ----------
    truth
        What is meant.
    value
        What is said of it.

    Examples
    --------
    >>> problem_with(Outcome("review", values=("fraud", "legitimate")), "frud")
    "is one of fraud, legitimate; did you mean 'fraud'?"
    >>> problem_with(Label("fraud"), "yes")
    'is true or false'
    """
    if not truth.values:
        return "" if isinstance(value, bool) else "is true or false"
    if value in truth.values:
        return ""
    hint = did_you_mean(value, truth.values) if isinstance(value, str) else ""
    return f"is one of {', '.join(truth.values)}{hint}"

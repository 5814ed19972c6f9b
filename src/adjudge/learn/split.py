"""Splits by time: what was learnt from, then a gap as long as labels take, then what is judged.

Nothing is shuffled. A part sees the labels that were known when it would have been used: the training part
those known when the gap behind it has passed, the validation part those known when the test begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from adjudge.errors import DefinitionError
from adjudge.learn.table import NEVER, Table


@dataclass(frozen=True)
class Span:
    """A span of event time, ``start <= ts < end``, microseconds UTC.

    Parameters
    ----------
    start
        First moment inside.
    end
        First moment behind.

    Examples
    --------
    >>> Span(0, 10).shifted(5)
    Span(start=5, end=15)
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if self.end <= self.start:
            message = f"span: ends at {self.end}, not after its start {self.start}"
            raise DefinitionError(message)

    def shifted(self, by: int) -> Span:
        """Return the span moved by some microseconds."""
        return Span(self.start + by, self.end + by)


@dataclass(frozen=True)
class Parts:
    """The three tables of a split, labels as known at their time.

    Parameters
    ----------
    train
        Events to fit on; only those whose label was known when the gap had passed.
    validation
        Events to calibrate and set thresholds on; None when the split has no such part.
    test
        Events to judge by, with the labels as finally known.
    """

    train: Table
    validation: Table | None
    test: Table


@dataclass(frozen=True)
class Split:
    """Train, gap, validation, gap, test: in this order and without overlap.

    Parameters
    ----------
    train
        What the model is fitted on.
    test
        What is judged.
    validation
        What calibration and thresholds are fitted on, if anything.
    gap_us
        Least time between the end of one part and the start of the next: the label delay.

    Raises
    ------
    DefinitionError
        If two parts overlap or are closer than the gap.

    Examples
    --------
    >>> Split(train=Span(0, 10), validation=Span(12, 15), test=Span(17, 20), gap_us=2).trained_at
    12
    >>> Split(train=Span(0, 10), test=Span(11, 20), gap_us=2)
    Traceback (most recent call last):
    ...
    adjudge.errors.DefinitionError: split: test starts 1 us after train ends, the gap for labels is 2 us
    """

    train: Span
    test: Span
    validation: Span | None = None
    gap_us: int = 0

    def __post_init__(self) -> None:
        parts = [("train", self.train), ("validation", self.validation), ("test", self.test)]
        present = [(name, span) for name, span in parts if span is not None]
        for (before, earlier), (after, later) in pairwise(present):
            room = later.start - earlier.end
            if room < 0:
                message = f"split: {after} starts before {before} ends"
                raise DefinitionError(message)
            if room < self.gap_us:
                message = f"split: {after} starts {room} us after {before} ends, "
                message += f"the gap for labels is {self.gap_us} us"
                raise DefinitionError(message)

    @property
    def trained_at(self) -> int:
        """The moment of training: when the part behind the training part begins."""
        return self.test.start if self.validation is None else self.validation.start

    def parts(self, table: Table, *, matures_us: int | None = None, judged_at: int | None = None) -> Parts:
        """Cut a table into its parts, each with the labels known at its time.

        Parameters
        ----------
        table
            All events.
        matures_us
            Age from which an event without a reported label counts as negative; the gap when None.
        judged_at
            When the test is looked at; None means that every label that ever arrives has arrived.

        Returns
        -------
        Parts
            Training and validation hold labelled events only; the test holds all events of its span, those
            without any label counted as negative.
        """
        matures = self.gap_us if matures_us is None else matures_us
        train = table.between(self.train.start, self.train.end).as_of(self.trained_at, matures_us=matures)
        validation = None
        if self.validation is not None:
            rows = table.between(self.validation.start, self.validation.end)
            validation = rows.as_of(self.test.start, matures_us=matures).labelled()
        test = table.between(self.test.start, self.test.end)
        judged = test.as_of(_LAST, matures_us=0) if judged_at is None else test.as_of(judged_at, matures_us=matures)
        return Parts(train.labelled(), validation, judged)


_LAST = 2**63 - 2  # just before NEVER


def split_by_share(start: int, end: int, *, gap_us: int, train: float = 0.6, validation: float = 0.2) -> Split:
    """Split a span of time by shares of what the two gaps leave over.

    Parameters
    ----------
    start, end
        The whole span, microseconds UTC.
    gap_us
        Time left out behind training and behind validation.
    train, validation
        Their shares; the test gets the rest.

    Raises
    ------
    DefinitionError
        If the shares leave no test, or the gaps leave no time.

    Examples
    --------
    100 minus two gaps of 10 leaves 80, of which 48, 16 and 16:

    >>> split = split_by_share(0, 100, gap_us=10)
    >>> split.train, split.validation, split.test
    (Span(start=0, end=48), Span(start=58, end=74), Span(start=84, end=100))
    """
    left = end - start - 2 * gap_us
    if left <= 0:
        message = f"split: two gaps of {gap_us} us leave nothing of {end - start} us"
        raise DefinitionError(message)
    if train <= 0 or validation <= 0 or train + validation >= 1:
        message = f"split: shares {train} and {validation} leave nothing for one of the three parts"
        raise DefinitionError(message)
    first = Span(start, start + int(left * train))
    second = Span(first.end + gap_us, first.end + gap_us + int(left * validation))
    return Split(train=first, validation=second, test=Span(second.end + gap_us, end), gap_us=gap_us)


def prequential(first: Span, *, gap_us: int, test_us: int, folds: int, step_us: int) -> tuple[Split, ...]:
    """Return splits that walk forward through time: train, gap, test, all moved by one step per fold.

    Parameters
    ----------
    first
        Training span of the first fold.
    gap_us
        Time between training and test.
    test_us
        Length of each test.
    folds
        How many.
    step_us
        How far each fold moves; not less than `test_us`, so that no event is judged twice.

    Raises
    ------
    DefinitionError
        If `folds` is below 1 or tests would overlap.

    Examples
    --------
    >>> [fold.test for fold in prequential(Span(0, 7), gap_us=7, test_us=7, folds=2, step_us=7)]
    [Span(start=14, end=21), Span(start=21, end=28)]
    """
    if folds < 1:
        message = f"prequential: needs at least 1 fold, got {folds}"
        raise DefinitionError(message)
    if step_us < test_us:
        message = f"prequential: a step of {step_us} us makes tests of {test_us} us overlap"
        raise DefinitionError(message)
    begin = first.end + gap_us
    base = Split(train=first, test=Span(begin, begin + test_us), gap_us=gap_us)
    return tuple(
        Split(train=base.train.shifted(i * step_us), test=base.test.shifted(i * step_us), gap_us=gap_us)
        for i in range(folds)
    )


def rolling(start: int, end: int, *, gap_us: int, folds: int, tested: float = 0.4) -> tuple[Split, ...]:
    """Return splits whose tests follow each other to the end, each trained on everything up to its time.

    Parameters
    ----------
    start, end
        The whole span, microseconds UTC.
    gap_us
        Time left out behind training and behind validation: the label delay.
    folds
        How many tests.
    tested
        Share of what two gaps leave over that all tests take together; each validation takes half as much, and training
        what lies before.

    Raises
    ------
    DefinitionError
        If `folds` is below 1, or the gaps leave too little time.

    Examples
    --------
    100 minus two gaps of 10 leaves 80, of which the tests take 32 and each validation 16:

    >>> for split in rolling(0, 100, gap_us=10, folds=2):
    ...     print(split.train, split.validation, split.test)
    Span(start=0, end=32) Span(start=42, end=58) Span(start=68, end=84)
    Span(start=0, end=48) Span(start=58, end=74) Span(start=84, end=100)
    """
    if folds < 1:
        message = f"rolling: needs at least 1 fold, got {folds}"
        raise DefinitionError(message)
    left = end - start - 2 * gap_us
    each, held_out = int(left * tested / folds), int(left * tested / 2)
    if each < 1 or held_out < 1 or left - folds * each - held_out < 1:
        message = f"rolling: two gaps of {gap_us} us leave too little of {end - start} us for {folds} folds"
        raise DefinitionError(message)
    result = []
    for place in range(folds):
        test = Span(end - (folds - place) * each, end - (folds - place - 1) * each)
        second = Span(test.start - gap_us - held_out, test.start - gap_us)
        first = Span(start, second.start - gap_us)
        result.append(Split(train=first, validation=second, test=test, gap_us=gap_us))
    return tuple(result)


def without_known(test: Table, table: Table) -> Table:
    """Return the test without events of entities of whom a fraud was known before: those are stopped anyway.

    Whoever has been defrauded once, and has said so, gets a new card. To find the frauds that go on there is no merit,
    and no task.

    Parameters
    ----------
    test
        Events to judge by.
    table
        All events, with their labels and when those were known.

    Examples
    --------
    Customer 7's fraud of time 0 was known at 50; the one of customer 8 never:

    >>> def events(ts, entity, label, known_at):
    ...     n = len(ts)
    ...     return Table((), np.zeros((0, n)), np.array(ts), np.array(label), np.array(known_at), np.ones(n),
    ...                  np.array(entity))
    >>> past = events([0, 1], [7, 8], [1.0, 1.0], [50, NEVER])
    >>> without_known(events([40, 60, 60], [7, 7, 8], [0.0, 1.0, 1.0], [NEVER] * 3), past).ts.tolist()
    [40, 60]
    """
    told = np.flatnonzero((table.label == 1.0) & (table.known_at < NEVER))
    names, place = np.unique(np.concatenate([table.entity[told], test.entity]), return_inverse=True)
    first = np.full(len(names), NEVER, dtype=np.int64)
    np.minimum.at(first, place[: len(told)], table.known_at[told])
    return test.select(first[place[len(told) :]] > test.ts)

"""Truths: what is said of an event, and the marks on its row that saying it sets.

A label or outcome that is true or false is one mark. One with values is a mark for each value, and saying one value
sets its mark and unsets the others. Histories know marks only, so whatever is counted, merged, retracted or read back
is so in the same way for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from adjudge.define.label import Truth
from adjudge.typing import FloatArray

UNKNOWN = -1.0
"""Code of a value that an outcome does not have, or has no more: it is none of the others."""


def codes_of(truth: Truth, values: Sequence[str]) -> FloatArray:
    """Return the code of each value of an outcome that has values.

    Parameters
    ----------
    truth
        The outcome.
    values
        What was said.

    Examples
    --------
    >>> from adjudge.define import Outcome
    >>> codes_of(Outcome("review", values=("fraud", "legitimate")), ["legitimate", "fraud", "unclear"]).tolist()
    [1.0, 0.0, -1.0]
    """
    codes = {value: float(code) for code, value in enumerate(truth.values)}
    return np.array([codes.get(value, UNKNOWN) for value in values], np.float64)


def marked(truth: Truth, codes: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    """Yield each mark of a label or outcome with what it is set to: 1, 0, or NaN where nothing was said.

    Parameters
    ----------
    truth
        The label or outcome.
    codes
        What was said of some events: 1 for true and 0 for false, the code of the value where it has values, NaN for
        nothing; shape (n,).

    Examples
    --------
    >>> from adjudge.define import Outcome
    >>> codes = np.array([0.0, 1.0, np.nan])
    >>> for mark, values in marked(Outcome("review", values=("fraud", "legitimate")), codes):
    ...     print(mark, values)
    review_fraud [ 1.  0. nan]
    review_legitimate [ 0.  1. nan]
    """
    if not truth.values:
        yield truth.name, codes
        return
    for code, mark in enumerate(truth.marks):
        yield mark, np.where(np.isnan(codes), np.nan, (codes == code).astype(np.float64))


def said(truth: Truth, marks: Mapping[str, float]) -> bool | str | None:
    """Return what marks say about a label or outcome: whether it is so or which value it has; None if neither.

    Parameters
    ----------
    truth
        The label or outcome.
    marks
        What is set: 1 or 0 by mark.

    Examples
    --------
    >>> from adjudge.define import Label, Outcome
    >>> said(Label("fraud"), {"fraud": 0.0}), said(Label("fraud"), {})
    (False, None)
    >>> said(Outcome("review", values=("fraud", "legitimate")), {"review_fraud": 0.0, "review_legitimate": 1.0})
    'legitimate'
    """
    if not truth.values:
        return bool(marks[truth.name]) if truth.name in marks else None
    set_ = (value for value, mark in zip(truth.values, truth.marks, strict=True) if marks.get(mark) == 1.0)
    return next(set_, None)

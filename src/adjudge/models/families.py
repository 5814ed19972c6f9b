"""Score families: one model for each group of features, blended by weights or by a stack."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.errors import DefinitionError, did_you_mean
from adjudge.models.blend import BlendScorer, Family
from adjudge.models.calibrate import Platt, logistic_weights
from adjudge.models.categories import Categories
from adjudge.models.estimator import Answering, Estimator, Parameters, Progress, Validation, later_rows, reading
from adjudge.models.search import Trial, search_inside
from adjudge.models.trees import Trees
from adjudge.typing import FloatArray


class Families(Answering):
    """An estimator for each family of features, and one score from all of them.

    Parameters
    ----------
    families
        The features of each family by its name, such as ``{"velocity": ["user_count_1h", ...], ...}``. A
        feature belongs to one family at most.
    weights
        The weight of each family's probability in their mean; divided by their sum. None for equal weights.
    stack
        Instead of a mean, a logistic regression on the families' margins, fitted on the validation rows,
        which no family was trained on. Its coefficients are not negative.
    estimator
        What each family is trained with; None for the default `Trees`.
    top
        How many contributions the served scorer returns a row.

    Notes
    -----
    The families' margins enter a stack, their calibrated probabilities a mean. Both are reported with each
    score.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> small = Trees(n_trees=5, depth=2, threads=1)
    >>> model = Families({"left": ["a"], "right": ["b"]}, weights={"left": 3, "right": 1}, estimator=small)
    >>> served = model.fit(X, X.sum(axis=1) > 1, names=["a", "b"]).served()
    >>> [(family.name, family.weight) for family in served.families]
    [('left', 0.75), ('right', 0.25)]
    """

    def __init__(
        self,
        families: Mapping[str, Sequence[str]],
        *,
        weights: Mapping[str, float] | None = None,
        stack: bool = False,
        estimator: Estimator | None = None,
        top: int = TOP,
    ) -> None:
        self.families = families
        self.weights = weights
        self.stack = stack
        self.estimator = estimator
        self.top = top

    def fit(
        self,
        X: FloatArray,
        y: FloatArray,
        *,
        names: Sequence[str],
        validation: Validation | None = None,
        categories: Categories | None = None,
        weight: FloatArray | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train every family on its columns of X (n, F), and return the estimator.

        Parameters
        ----------
        X, y
            The training rows; NaN means missing.
        names
            The features, shape (F,); what belongs to no family is not read.
        validation
            Later rows and outcomes: for early stopping, each family's calibration and the stack.
        categories
            How texts become numbers.
        weight
            A weight for each training row.
        progress
            Called after each round of training.

        Raises
        ------
        DefinitionError
            If a family names no feature, an unknown one or one of another family, the weights do not fit, or
            a stack is asked for without validation rows.
        """
        self._check(names, validation)
        self.classes_ = np.array([0, 1])
        self.names_ = tuple(names)
        self.categories_ = categories
        self.fitted_: dict[str, Estimator] = {}
        for done, (family, members) in enumerate(self.families.items()):
            columns = [list(names).index(name) for name in members]
            estimator = copy.deepcopy(self.estimator) if self.estimator is not None else Trees()
            self.fitted_[family] = estimator.fit(
                np.asarray(X)[:, columns],
                y,
                names=members,
                validation=reading(validation, columns),
                categories=categories,
                weight=weight,
                progress=_part(progress, done, len(self.families)),
            )
        self.scorer_ = self._blended(validation)
        return self

    def _inside(self) -> dict[str, Parameters]:
        return {"estimator": self.estimator if self.estimator is not None else Trees()}

    def search(self, trial: Trial) -> dict[str, Any]:
        """Return settings of what every family is trained with, drawn from a trial."""
        return search_inside(self._inside(), trial)

    def _check(self, names: Sequence[str], validation: Validation | None) -> None:
        seen: set[str] = set()
        for family, members in self.families.items():
            if not members:
                msg = f"family {family!r} has no features"
                raise DefinitionError(msg)
            for name in members:
                if name not in names:
                    msg = f"family {family!r} names {name!r}, which is no feature{did_you_mean(name, names)}"
                    raise DefinitionError(msg)
                if name in seen:
                    msg = f"feature {name!r} belongs to two families, one of them {family!r}"
                    raise DefinitionError(msg)
                seen.add(name)
        if not seen:
            msg = "there must be a family"
            raise DefinitionError(msg)
        if self.weights is not None:
            for name in self.weights.keys() ^ self.families.keys():
                msg = f"weights and families differ in {name!r}{did_you_mean(name, self.families)}"
                raise DefinitionError(msg)
            if min(self.weights.values()) < 0 or sum(self.weights.values()) <= 0:
                msg = "weights of families must not be negative, and not all 0"
                raise DefinitionError(msg)
        if self.stack and (validation is None or self.weights is not None):
            msg = "a stack learns its weights from validation rows: give those, and no weights"
            raise DefinitionError(msg)

    def _blended(self, validation: Validation | None) -> BlendScorer:
        intercept = 0.0
        if self.stack and validation is not None:
            found = self._stacked(*later_rows(validation))
            weights, intercept = dict(zip(self.families, found[:-1].tolist(), strict=True)), float(found[-1])
        else:
            given = self.weights or dict.fromkeys(self.families, 1.0)
            total = sum(given.values())
            weights = {name: weight / total for name, weight in given.items()}
        families = [
            Family(name, one.model_, one.calibrator_ or Platt(), weights[name]) for name, one in self.fitted_.items()
        ]
        own = (
            None
            if self.categories_ is None
            else self.categories_.only({name for members in self.families.values() for name in members})
        )
        how: Literal["mean", "stack"] = "stack" if self.stack else "mean"
        return BlendScorer(families, how, intercept=intercept, categories=own, top=self.top)

    def _stacked(self, X: FloatArray, y: FloatArray, rows: FloatArray | None) -> FloatArray:
        """Return the coefficient of each family's margin, and the intercept."""
        columns = [
            one.decision_function(np.asarray(X)[:, [self.names_.index(name) for name in one.names_]])
            for one in self.fitted_.values()
        ]
        start = np.append(np.full(len(columns), 1.0 / len(columns)), 0.0)
        table = np.stack([*columns, np.ones(len(columns[0]))], axis=1)
        return logistic_weights(table, np.asarray(y, dtype=np.float64), start, positive=len(columns), rows=rows)

    def served(self) -> BlendScorer:
        """Return the scorer that the engine uses."""
        return self.scorer_


def _part(progress: Progress | None, done: int, families: int) -> Progress | None:
    """Return a hook that counts one family's rounds as a part of all."""
    if progress is None:
        return None
    return lambda rounds, planned: progress(done * planned + rounds, families * planned)

"""What all estimators share: scikit-learn's manners outside, checked rows and a served model inside."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from adjudge.engine.scorer import Scores
from adjudge.errors import DefinitionError, ShapeError, did_you_mean
from adjudge.models.calibrate import FITTED, Calibrator
from adjudge.models.categories import Categories
from adjudge.models.past import Past
from adjudge.models.raw import Model
from adjudge.models.scorers import ModelScorer, Served
from adjudge.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from adjudge.define import Schema

Progress = Callable[[int, int], None]
"""Called after each round of training with how many are done and how many are planned."""

Validation = tuple[FloatArray, FloatArray] | tuple[FloatArray, FloatArray, FloatArray | None]
"""Rows (n, F) and outcomes that are later than the training rows, with a weight for each row where they differ."""


@dataclass(frozen=True, slots=True)
class Task:
    """Rows (n, F) of numbers, outcomes 0 or 1, and weights or None: checked, texts replaced."""

    X: FloatArray
    y: FloatArray
    weight: FloatArray | None

    def positive_weight(self, setting: float | Literal["balanced"]) -> float:
        """Return what a positive row weighs; balanced: as many times more as all of them together weigh less."""
        if setting == "balanced":
            own = np.ones(len(self.y)) if self.weight is None else self.weight
            return float(own[self.y == 0].sum() / own[self.y == 1].sum())
        return float(setting)

    def weights(self, setting: float | Literal["balanced"]) -> FloatArray | None:
        """Return what each row weighs, its class and its own weight taken together; None where all weigh 1."""
        positive = self.positive_weight(setting)
        if positive == 1.0:
            return self.weight
        of_class = np.where(self.y > 0, positive, 1.0)
        return of_class if self.weight is None else of_class * self.weight


def prepare(
    X: FloatArray,
    y: FloatArray,
    names: Sequence[str],
    categories: Categories | None,
    weight: FloatArray | None = None,
    *,
    both: bool = True,
) -> Task:
    """Return the rows as numbers, with their outcomes.

    Raises
    ------
    ShapeError
        If the arrays do not belong together, one class is missing where `both` must occur, or weights are none.
    """
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if X.ndim != 2 or y.shape != (len(X),) or X.shape[1] != len(names):
        msg = f"rows {X.shape}, outcomes {y.shape} and {len(names)} names do not belong together"
        raise ShapeError(msg)
    if not np.isin(y, (0.0, 1.0)).all() or (both and len(np.unique(y)) < 2):
        msg = "outcomes must be 0 and 1, and both must occur"
        raise ShapeError(msg)
    if weight is not None and np.asarray(weight).shape != y.shape:
        msg = f"{len(y)} rows need as many weights"
        raise ShapeError(msg)
    given = None if weight is None else np.asarray(weight, dtype=np.float64)
    if given is not None:
        _check_weights(given, y, both=both)
    numbers = X if categories is None else categories.encode_table(X, names)
    return Task(numbers, y, given)


def _check_weights(weight: FloatArray, y: FloatArray, *, both: bool) -> None:
    if not (np.isfinite(weight).all() and (weight >= 0).all()):
        msg = "weights must be numbers of at least 0"
        raise ShapeError(msg)
    if not weight.any() or (both and not (weight[y == 1].any() and weight[y == 0].any())):
        msg = "rows that weigh nothing are not there: some of each class must weigh more than 0"
        raise ShapeError(msg)


def later_rows(validation: Validation) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Return the rows, outcomes and weights of validation rows; None where all weigh 1."""
    X, y, weight = validation if len(validation) == 3 else (*validation, None)
    return np.asarray(X), y, weight


def reading(validation: Validation | None, columns: Sequence[int]) -> Validation | None:
    """Return validation rows with some of their columns only."""
    if validation is None:
        return None
    X, y, weight = later_rows(validation)
    return X[:, columns], y, weight


def margins(model: Model, X: FloatArray) -> FloatArray:
    """Return the raw margins of rows X (n, F) of numbers."""
    return model.raw(np.ascontiguousarray(X.T), np.arange(X.shape[1]), 0).margin


def positions(features: Sequence[str], names: Sequence[str]) -> IntArray:
    """Return where each feature is among the names.

    Raises
    ------
    DefinitionError
        If one is not among them.
    """
    for feature in features:
        if feature not in names:
            msg = f"there is no feature {feature!r}{did_you_mean(feature, names)}"
            raise DefinitionError(msg)
    return np.array([list(names).index(feature) for feature in features], dtype=np.int64)


def fit_calibrator(
    kind: str | None, margin: FloatArray, y: FloatArray, rows: FloatArray | None = None
) -> Calibrator | None:
    """Fit the calibrator of that name; None gives none. `rows` is how much each row counts, None for all alike.

    Raises
    ------
    DefinitionError
        If no calibrator has the name.
    """
    if kind is None:
        return None
    if kind not in FITTED:
        msg = f"no calibration is called {kind!r}{did_you_mean(kind, FITTED)}"
        raise DefinitionError(msg)
    return FITTED[kind](margin, y, rows)


class Parameters:
    """Parameters by name, read from the signature as scikit-learn does.

    Those of an estimator inside are reached through its name and two underscores, ``trees__depth``.
    """

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return tuple(inspect.signature(cls).parameters)

    def _inside(self) -> dict[str, Parameters]:
        """Return the estimators inside by name; none unless a class says so."""
        return {}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, with those of the estimators inside if `deep`."""
        own = {name: getattr(self, name) for name in self._names()}
        inside = self._inside() if deep else {}
        return own | {f"{name}__{k}": v for name, one in inside.items() for k, v in one.get_params().items()}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name and return the estimator.

        Raises
        ------
        DefinitionError
            If there is no parameter of that name.
        """
        inside = self._inside()
        for name, value in parameters.items():
            head, dots, rest = name.partition("__")
            if dots and head in inside:
                inside[head].set_params(**{rest: value})
                if getattr(self, head, inside) is None:  # the one that None stands for is now one of its own
                    setattr(self, head, inside[head])
            elif name in self._names():
                setattr(self, name, value)
            else:
                msg = f"{type(self).__name__} has no parameter {name!r}{did_you_mean(name, self.get_params())}"
                raise DefinitionError(msg)
        return self

    def __repr__(self) -> str:
        """Return the class with the parameters of its own, the same in every process."""
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_params(deep=False).items())})"


class Answering(Parameters, ABC):
    """A fitted model that answers like scikit-learn's, from what it is served as; ``names_`` are its features."""

    names_: tuple[str, ...]

    @abstractmethod
    def served(self) -> Served:
        """Return the scorer that the engine uses."""

    def decision_function(self, X: FloatArray) -> FloatArray:
        """Return the raw margins (log-odds before calibration) of rows X (n, F)."""
        return self._score(X).margin

    def predict_proba(self, X: FloatArray) -> FloatArray:
        """Return calibrated probabilities of both classes, shape (n, 2)."""
        p = self._score(X).p
        return np.stack([1.0 - p, p], axis=1)

    def predict(self, X: FloatArray) -> FloatArray:
        """Return 1 where the probability is above one half, else 0."""
        return (self._score(X).p > 0.5).astype(np.float64)

    def _score(self, X: FloatArray) -> Scores:
        scorer, slots = self.served(), np.ascontiguousarray(np.asarray(X, dtype=np.float64).T)
        return scorer.score(slots, np.array([self.names_.index(name) for name in scorer.names], dtype=np.int64))


class Estimator(Answering):
    """A model that is fitted on rows and served as numbers.

    After `fit`: ``model_`` is the served model, ``calibrator_`` its calibrator or None, ``names_`` the
    features. A class that is not ``labelled`` learns without outcomes, and may be fitted without any.
    """

    labelled: ClassVar[bool] = True

    layer: ClassVar[str] = "fast"
    """The layer of a stack that it stands in unless the stack says otherwise."""

    past: Past | None = None
    """What it may look back on, where something was given to look back on."""

    calibration: str | None
    top: int
    model_: Model
    calibrator_: Calibrator | None
    names_: tuple[str, ...]
    categories_: Categories | None

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the event that it reads as they are, keys as hashes, beside the features that any model reads."""
        return ()

    def fields_of(self, schema: Schema) -> tuple[str, ...]:
        """Return `fields` after looking for them in the stream that is decided.

        Raises
        ------
        DefinitionError
            If one is not there, or is of no use; names the parameter.
        """
        return self.fields

    def looking_back(self, past: Past) -> Self:
        """Return a copy that may look back on a past when it is fitted; most have no use for one."""
        copied = copy.deepcopy(self)
        copied.past = past
        return copied

    @abstractmethod
    def _train(self, task: Task, held_out: Task | None, names: tuple[str, ...], report: Progress) -> Model:
        """Return the served form of what the rows teach."""

    def fit(
        self,
        X: FloatArray,
        y: FloatArray | None = None,
        *,
        validation: Validation | None = None,
        names: Sequence[str] | None = None,
        categories: Categories | None = None,
        weight: FloatArray | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train on rows X (n, F) with outcomes y (0 or 1), and return the estimator.

        Parameters
        ----------
        X, y
            The training rows; NaN means missing. Only what learns without outcomes may be given none.
        validation
            Later rows and outcomes, for early stopping, choices and calibration; with weights where rows stand for
            others.
        names
            The features; ``f0``, ``f1``, ... unless given.
        categories
            How texts become numbers; `X` then holds hashes in those columns.
        weight
            A weight for each training row.
        progress
            Called after each round of training.

        Raises
        ------
        ShapeError
            If the arrays do not belong together, or one class is missing.
        """
        self.names_ = tuple(names) if names is not None else tuple(f"f{i}" for i in range(np.asarray(X).shape[1]))
        self.categories_ = categories
        self.classes_ = np.array([0, 1])
        if y is None and not self.labelled:
            y = np.zeros(len(X))
        if y is None:
            msg = f"{type(self).__name__} learns from outcomes, and none were given"
            raise ShapeError(msg)
        task = prepare(X, y, self.names_, categories, weight, both=self.labelled)
        held_out = None
        if validation is not None:
            later, known, stands_for = later_rows(validation)
            held_out = prepare(later, known, self.names_, categories, stands_for, both=self.labelled)
        self.model_ = self._train(task, held_out, self.names_, progress or _ignore)
        self.calibrator_ = None
        if held_out is not None:
            self.calibrator_ = fit_calibrator(
                self.calibration, margins(self.model_, held_out.X), held_out.y, held_out.weight
            )
        return self

    def served(self) -> ModelScorer:
        """Return the scorer that the engine uses."""
        return ModelScorer(self.model_, self.calibrator_, self.categories_, top=self.top)


def _ignore(done: int, planned: int) -> None:
    """Report to nobody."""

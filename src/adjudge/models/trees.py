"""Boosted trees: LightGBM and XGBoost as equals behind one estimator, the better on validation where asked.

The training library is imported when `fit` is called, never before, and is not needed again afterwards: what
is kept is the served form, and `predict_proba` answers from it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.errors import DefinitionError, ShapeError, did_you_mean
from adjudge.models.calibrate import FITTED, Calibrator
from adjudge.models.categories import Categories
from adjudge.models.forest import Forest
from adjudge.models.native import from_lightgbm, from_xgboost
from adjudge.models.served import ModelScorer, check_equal_to_trained
from adjudge.typing import FloatArray

Library = Literal["lightgbm", "xgboost", "best"]

Progress = Callable[[int, int], None]
"""Called after each round with how many are done and how many are planned."""

Validation = tuple[FloatArray, FloatArray]
"""Rows (n, F) and outcomes that are later than the training rows."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What one library made of the training rows.

    Parameters
    ----------
    library
        Its name.
    forest
        The model in its served form, held to the library's own output on the training rows.
    ap
        Average precision on the validation rows, NaN without them.
    rounds
        Trees kept, after early stopping.
    difference
        Largest difference of margins between the served form and the library.
    """

    library: str
    forest: Forest
    ap: float
    rounds: int
    difference: float


class Trees:
    """Gradient boosted trees for a binary outcome, in the manner of scikit-learn.

    Parameters
    ----------
    library
        ``lightgbm``, ``xgboost``, or ``best``: train both and keep the one with the higher average precision
        on the validation rows.
    n_trees, depth, rate
        How many trees, how deep, and by how much each is trusted.
    subsample, columns
        Share of rows and of features drawn for each tree.
    min_rows
        Least weight of rows in a leaf: rows for LightGBM, the same number over 20 as hessian for XGBoost.
    l2
        Penalty on squared leaf values.
    positive_weight
        What one positive row weighs; ``balanced`` makes both classes weigh the same. Calibration undoes the
        shift.
    patience
        Stop after so many rounds without a better average precision on the validation rows; 0 never stops.
    calibration
        ``isotonic``, ``platt`` or ``beta``, fitted on the validation rows; None, or no validation rows: none.
    threads
        Training threads; 0 takes all cores. The model is the same for any number on one machine.
    seed
        Seed of all draws.
    top
        How many contributions the served scorer returns a row.

    Examples
    --------
    >>> X = np.arange(200.0)[:, None]
    >>> trees = Trees(n_trees=5, depth=2, min_rows=5, threads=1).fit(X, X[:, 0] >= 100)
    >>> p = trees.predict_proba(np.array([[10.0], [190.0]]))
    >>> bool(p[0, 1] < 0.5 < p[1, 1])
    True
    """

    def __init__(
        self,
        library: Library = "lightgbm",
        *,
        n_trees: int = 500,
        depth: int = 6,
        rate: float = 0.05,
        subsample: float = 0.8,
        columns: float = 0.8,
        min_rows: int = 20,
        l2: float = 1.0,
        positive_weight: float | Literal["balanced"] = 1.0,
        patience: int = 50,
        calibration: str | None = "isotonic",
        threads: int = 0,
        seed: int = 0,
        top: int = TOP,
    ) -> None:
        self.library = library
        self.n_trees = n_trees
        self.depth = depth
        self.rate = rate
        self.subsample = subsample
        self.columns = columns
        self.min_rows = min_rows
        self.l2 = l2
        self.positive_weight = positive_weight
        self.patience = patience
        self.calibration = calibration
        self.threads = threads
        self.seed = seed
        self.top = top

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name, as scikit-learn expects them."""
        return {name: getattr(self, name) for name in _PARAMETERS}

    def set_params(self, **parameters: Any) -> Trees:
        """Set parameters by name and return the estimator."""
        for name, value in parameters.items():
            if name not in _PARAMETERS:
                msg = f"Trees has no parameter {name!r}{did_you_mean(name, _PARAMETERS)}"
                raise DefinitionError(msg)
            setattr(self, name, value)
        return self

    def fit(
        self,
        X: FloatArray,
        y: FloatArray,
        *,
        validation: Validation | None = None,
        names: Sequence[str] | None = None,
        categories: Categories | None = None,
        weight: FloatArray | None = None,
        progress: Progress | None = None,
    ) -> Trees:
        """Train on rows X (n, F) with outcomes y (0 or 1).

        Parameters
        ----------
        X, y
            The training rows; NaN means missing.
        validation
            Later rows and outcomes, for early stopping, the choice between libraries and calibration.
        names
            The features; ``f0``, ``f1``, ... unless given.
        categories
            How texts become numbers; `X` then holds hashes in those columns.
        weight
            A weight for each training row.
        progress
            Called after each round.

        Raises
        ------
        ShapeError
            If the arrays do not belong together, or one class is missing.
        """
        names = tuple(names) if names is not None else tuple(f"f{i}" for i in range(np.asarray(X).shape[1]))
        task = _prepare(X, y, names, categories, weight)
        held_out = None if validation is None else _prepare(*validation, names, categories, None)
        libraries = ("lightgbm", "xgboost") if self.library == "best" else (self.library,)
        if self.library == "best" and held_out is None:
            msg = "library='best' chooses on validation rows, and none were given"
            raise DefinitionError(msg)
        planned = self.n_trees * len(libraries)
        trained = []
        for done, library in enumerate(libraries):
            report = _shifted(progress, done * self.n_trees, planned)
            trained.append(_trainer(library)(self, task, held_out, names, report))
        self.trained_ = tuple(trained)
        self.chosen_ = max(trained, key=lambda one: one.ap) if len(trained) > 1 else trained[0]
        self.forest_ = self.chosen_.forest
        self.library_ = self.chosen_.library
        self.names_ = names
        self.categories_ = categories
        self.calibrator_ = self._calibrate(held_out)
        self.classes_ = np.array([0, 1])
        return self

    def _calibrate(self, held_out: _Task | None) -> Calibrator | None:
        if held_out is None or self.calibration is None:
            return None
        if self.calibration not in FITTED:
            msg = f"no calibration is called {self.calibration!r}{did_you_mean(self.calibration, FITTED)}"
            raise DefinitionError(msg)
        return FITTED[self.calibration](margins(self.forest_, held_out.X), held_out.y)

    def served(self) -> ModelScorer:
        """Return the scorer that the engine uses."""
        return ModelScorer(self.forest_, self.calibrator_, self.categories_, top=self.top)

    def decision_function(self, X: FloatArray) -> FloatArray:
        """Return the raw margins (log-odds before calibration) of rows X (n, F)."""
        return margins(self.forest_, _numbers(X, self.names_, self.categories_))

    def predict_proba(self, X: FloatArray) -> FloatArray:
        """Return calibrated probabilities of both classes, shape (n, 2)."""
        slots = np.ascontiguousarray(np.asarray(X, dtype=np.float64).T)
        p = self.served().score(slots, np.arange(len(self.names_))).p
        return np.stack([1.0 - p, p], axis=1)

    def predict(self, X: FloatArray) -> FloatArray:
        """Return 1 where the probability is above one half, else 0."""
        return (self.predict_proba(X)[:, 1] > 0.5).astype(np.float64)


_PARAMETERS = (
    "library",
    "n_trees",
    "depth",
    "rate",
    "subsample",
    "columns",
    "min_rows",
    "l2",
    "positive_weight",
    "patience",
    "calibration",
    "threads",
    "seed",
    "top",
)


@dataclass(frozen=True, slots=True)
class _Task:
    """Rows without texts, outcomes and weights, checked."""

    X: FloatArray
    y: FloatArray
    weight: FloatArray | None


def _numbers(X: FloatArray, names: Sequence[str], categories: Categories | None) -> FloatArray:
    X = np.asarray(X, dtype=np.float64)
    return X if categories is None else categories.encode_table(X, names)


def _prepare(
    X: FloatArray,
    y: FloatArray,
    names: Sequence[str],
    categories: Categories | None,
    weight: FloatArray | None,
) -> _Task:
    X, y = _numbers(X, names, categories), np.asarray(y, dtype=np.float64)
    if X.ndim != 2 or y.shape != (len(X),) or X.shape[1] != len(names):
        msg = f"rows {X.shape}, outcomes {y.shape} and {len(names)} names do not belong together"
        raise ShapeError(msg)
    if not np.array_equal(np.unique(y), [0.0, 1.0]):
        msg = "outcomes must be 0 and 1, and both must occur"
        raise ShapeError(msg)
    if weight is not None and np.asarray(weight).shape != y.shape:
        msg = f"{len(y)} rows need as many weights"
        raise ShapeError(msg)
    return _Task(X, y, None if weight is None else np.asarray(weight, dtype=np.float64))


def margins(forest: Forest, X: FloatArray) -> FloatArray:
    """Return the raw margins of rows X (n, F)."""
    return forest.raw(np.ascontiguousarray(X.T), np.arange(X.shape[1]), 0).margin


def _shifted(progress: Progress | None, done: int, planned: int) -> Callable[[int], None]:
    def report(rounds: int) -> None:
        if progress is not None:
            progress(done + rounds, planned)

    return report


def _positive_weight(trees: Trees, task: _Task) -> float:
    if trees.positive_weight == "balanced":
        return float((task.y == 0).sum() / (task.y == 1).sum())
    return float(trees.positive_weight)


def _trainer(
    library: str,
) -> Callable[[Trees, _Task, _Task | None, Sequence[str], Callable[[int], None]], Trained]:
    trainers = {"lightgbm": _lightgbm, "xgboost": _xgboost}
    if library not in trainers:
        msg = f"no library is called {library!r}{did_you_mean(library, [*trainers, 'best'])}"
        raise DefinitionError(msg)
    return trainers[library]


def _average_precision(forest: Forest, held_out: _Task | None) -> float:
    if held_out is None:
        return float("nan")
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(held_out.y, margins(forest, held_out.X)))


def _verify(forest: Forest, X: FloatArray, margin: FloatArray) -> float:
    """Hold the served form to the library's margins on the same rows."""
    scorer = ModelScorer(forest, top=0)
    return check_equal_to_trained(scorer, np.ascontiguousarray(X.T), np.arange(X.shape[1]), margin)


CHECKED_ROWS = 20_000
"""Training rows on which the served form is held to the library."""


def _lightgbm(
    trees: Trees, task: _Task, held_out: _Task | None, names: Sequence[str], report: Callable[[int], None]
) -> Trained:
    import lightgbm

    parameters: dict[str, Any] = {
        "objective": "binary",
        "metric": "average_precision",
        "num_leaves": min(2**trees.depth, 131072),
        "max_depth": trees.depth,
        "learning_rate": trees.rate,
        "bagging_fraction": trees.subsample,
        "bagging_freq": 1 if trees.subsample < 1 else 0,
        "feature_fraction": trees.columns,
        "min_data_in_leaf": trees.min_rows,
        "lambda_l2": trees.l2,
        "scale_pos_weight": _positive_weight(trees, task),
        "num_threads": trees.threads or os.cpu_count() or 1,
        "seed": trees.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    columns = [f"f{i}" for i in range(len(names))]
    data = lightgbm.Dataset(task.X, task.y, weight=task.weight, feature_name=columns, params={"verbose": -1})
    callbacks: list[Callable[[Any], None]] = [lambda env: report(env.iteration + 1)]
    valid = []
    if held_out is not None:
        valid.append(lightgbm.Dataset(held_out.X, held_out.y, reference=data, params={"verbose": -1}))
        if trees.patience:
            callbacks.append(lightgbm.early_stopping(trees.patience, verbose=False))
    booster = lightgbm.train(parameters, data, trees.n_trees, valid_sets=valid, callbacks=callbacks)
    rounds = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    forest = from_lightgbm(booster.model_to_string(num_iteration=rounds), names)
    some = task.X[:CHECKED_ROWS]
    difference = _verify(
        forest, some, np.asarray(booster.predict(some, raw_score=True, num_iteration=rounds))
    )
    return Trained("lightgbm", forest, _average_precision(forest, held_out), rounds, difference)


def _xgboost(
    trees: Trees, task: _Task, held_out: _Task | None, names: Sequence[str], report: Callable[[int], None]
) -> Trained:
    import xgboost

    class Report(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: object, epoch: int, log: object) -> bool:
            report(epoch + 1)
            return False

    parameters: dict[str, Any] = {
        "objective": "binary:logistic",
        "eval_metric": "aucpr",
        "tree_method": "hist",
        "max_depth": trees.depth,
        "eta": trees.rate,
        "subsample": trees.subsample,
        "colsample_bytree": trees.columns,
        "min_child_weight": trees.min_rows / 20.0,
        "lambda": trees.l2,
        "scale_pos_weight": _positive_weight(trees, task),
        "nthread": trees.threads or os.cpu_count() or 1,
        "seed": trees.seed,
    }
    data = xgboost.DMatrix(_finite(task.X), task.y, weight=task.weight)
    evals = [] if held_out is None else [(xgboost.DMatrix(_finite(held_out.X), held_out.y), "validation")]
    booster = xgboost.train(
        parameters,
        data,
        trees.n_trees,
        evals=evals,
        early_stopping_rounds=trees.patience or None if evals else None,
        verbose_eval=False,
        callbacks=[Report()],
    )
    rounds = booster.num_boosted_rounds()
    if evals and trees.patience:
        rounds = booster.best_iteration + 1
        booster = booster[:rounds]
    forest = from_xgboost(booster.save_raw("json"), names)
    some = task.X[:CHECKED_ROWS]
    difference = _verify(forest, some, booster.predict(xgboost.DMatrix(_finite(some)), output_margin=True))
    return Trained("xgboost", forest, _average_precision(forest, held_out), rounds, difference)


def _finite(X: FloatArray) -> FloatArray:
    """Return the rows with infinities as the largest floats, because XGBoost takes no others."""
    largest = float(np.finfo(np.float32).max)
    return np.clip(X, -largest, largest)


def clone_with(trees: Trees, **changes: Any) -> Trees:
    """Return an unfitted estimator with the same parameters but for some changes."""
    return Trees(**(trees.get_params() | changes))

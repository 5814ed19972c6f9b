"""Boosted trees: LightGBM and XGBoost as equals behind one estimator, the better on validation unless one is named.

The training library is imported when `fit` is called, never before, and is not needed again afterwards: what
is kept is the served form, and `predict_proba` answers from it.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.errors import DefinitionError, UnavailableError, did_you_mean
from adjudge.models import focal
from adjudge.models.estimator import Estimator, Progress, Task, margins
from adjudge.models.forest import Forest
from adjudge.models.native import from_lightgbm, from_xgboost
from adjudge.models.search import Trial
from adjudge.models.served import check_model
from adjudge.typing import FloatArray

Library = Literal["auto", "lightgbm", "xgboost", "best"]

LIBRARIES = ("lightgbm", "xgboost")
"""What boosted trees are trained with."""


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


class Trees(Estimator):
    """Gradient boosted trees for a binary outcome, in the manner of scikit-learn.

    Parameters
    ----------
    library
        ``lightgbm``, ``xgboost``, or ``best``: train both and keep the one with the higher average precision
        on the validation rows. ``auto`` does that where both are installed and there are validation rows, and
        takes LightGBM elsewhere. ``chosen_`` says which it was, ``trained_`` what each reached.
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
    focal
        Gamma of the focal loss (`adjudge.models.focal`); 0 is the log loss. Its margins are no log-odds of a
        probability before they are calibrated.
    patience
        Stop after so many rounds without a better average precision on the validation rows; 0 never stops.
    calibration
        ``isotonic``, ``platt``, ``beta`` or ``venn_abers``, fitted on the validation rows; None, or no validation
        rows: none.
    threads
        Training threads; 0 takes all cores. The model is the same for any number on one machine.
    device
        Where XGBoost trains, such as ``cuda``, with a build of it that can; LightGBM trains on the processor.
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

    start: Forest | None = None
    """What boosting goes on from, see `going_on`."""

    def __init__(
        self,
        library: Library = "auto",
        *,
        n_trees: int = 500,
        depth: int = 6,
        rate: float = 0.05,
        subsample: float = 0.8,
        columns: float = 0.8,
        min_rows: int = 20,
        l2: float = 1.0,
        positive_weight: float | Literal["balanced"] = 1.0,
        focal: float = 0.0,
        patience: int = 50,
        calibration: str | None = "isotonic",
        threads: int = 0,
        device: str = "cpu",
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
        self.focal = focal
        self.patience = patience
        self.calibration = calibration
        self.threads = threads
        self.device = device
        self.seed = seed
        self.top = top

    def search(self, trial: Trial) -> dict[str, Any]:
        """Return settings to try, drawn from a trial; early stopping may keep fewer trees than are drawn."""
        return {
            "n_trees": trial.suggest_int("n_trees", 100, 1000, step=50),
            "depth": trial.suggest_int("depth", 2, 9),
            "rate": trial.suggest_float("rate", 0.01, 0.2, log=True),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
            "columns": trial.suggest_float("columns", 0.3, 1.0),
            "min_rows": trial.suggest_int("min_rows", 5, 200, log=True),
            "l2": trial.suggest_float("l2", 0.1, 30.0, log=True),
        }

    def going_on(self, start: Forest) -> Trees:
        """Return a copy that leaves the trees of a forest as they are and adds others behind them (a warm start).

        The new trees are trained from the forest's margins on, by the library whose trees it is made of.

        Parameters
        ----------
        start
            The trees of LightGBM or XGBoost, over the features that the copy is fitted on, in their order.

        Examples
        --------
        >>> X = np.arange(200.0)[:, None]
        >>> small = Trees("lightgbm", n_trees=3, depth=2, min_rows=5, threads=1, patience=0)
        >>> first = small.fit(X, X[:, 0] >= 100).model_
        >>> more = small.going_on(first).fit(X, X[:, 0] >= 150).model_
        >>> first.trees, more.trees
        (3, 6)
        """
        copied = copy.deepcopy(self)
        copied.start = start
        copied.library = "lightgbm" if start.flush else "xgboost"
        return copied

    def _train(self, task: Task, held_out: Task | None, names: tuple[str, ...], report: Progress) -> Forest:
        if not self.focal >= 0:
            msg = f"gamma of the focal loss must not be negative, and focal is {self.focal!r}"
            raise DefinitionError(msg)
        if self.start is not None and (self.focal or self.start.names != names):
            msg = "trees go on from a forest over the same features in the same order, with the log loss"
            raise DefinitionError(msg)
        libraries = self._libraries(held_out)
        planned = self.n_trees * len(libraries)
        trained = [
            _trainer(library)(self, task, held_out, names, _shifted(report, i * self.n_trees, planned))
            for i, library in enumerate(libraries)
        ]
        self.trained_ = tuple(trained)
        self.chosen_ = max(trained, key=lambda one: one.ap) if len(trained) > 1 else trained[0]
        return self.chosen_.forest

    def _libraries(self, held_out: Task | None) -> Sequence[str]:
        """Return what to train with: both where the better of them can be told."""
        if self.library == "best" and held_out is None:
            msg = "library='best' chooses on validation rows, and none were given"
            raise DefinitionError(msg)
        if self.library == "best":
            return LIBRARIES
        if self.library == "auto":
            return LIBRARIES if held_out is not None and find_spec("xgboost") is not None else LIBRARIES[:1]
        return (self.library,)


def _shifted(report: Progress, done: int, planned: int) -> Callable[[int], None]:
    return lambda rounds: report(done + rounds, planned)


def _trainer(
    library: str,
) -> Callable[[Trees, Task, Task | None, Sequence[str], Callable[[int], None]], Trained]:
    trainers = {"lightgbm": _lightgbm, "xgboost": _xgboost}
    if library not in trainers:
        msg = f"no library is called {library!r}{did_you_mean(library, [*trainers, 'best', 'auto'])}"
        raise DefinitionError(msg)
    return trainers[library]


def _average_precision(forest: Forest, held_out: Task | None) -> float:
    if held_out is None:
        return float("nan")
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(held_out.y, margins(forest, held_out.X), sample_weight=held_out.weight))


CHECKED_ROWS = 20_000
"""Training rows on which the served form is held to the library."""


def _lightgbm(
    trees: Trees, task: Task, held_out: Task | None, names: Sequence[str], report: Callable[[int], None]
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
        "scale_pos_weight": task.positive_weight(trees.positive_weight),
        "num_threads": trees.threads or os.cpu_count() or 1,
        "seed": trees.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    columns = [f"f{i}" for i in range(len(names))]
    data = lightgbm.Dataset(task.X, task.y, weight=task.weight, feature_name=columns, params={"verbose": -1})
    base = 0.0
    if trees.focal:
        # a loss of one's own is given neither weights nor a start
        weight = task.weights(trees.positive_weight)
        base = focal.start(task.y, weight)
        data.set_init_score(np.full(len(task.y), base))
        parameters |= {"objective": lambda margin, _: focal.objective(margin, task.y, trees.focal, weight)}
        del parameters["scale_pos_weight"]
    elif trees.start is not None:
        data.set_init_score(margins(trees.start, task.X))
    callbacks: list[Callable[[Any], None]] = [lambda env: report(env.iteration + 1)]
    valid = []
    if held_out is not None:
        later = lightgbm.Dataset(held_out.X, held_out.y, weight=held_out.weight, reference=data, params={"verbose": -1})
        valid.append(later)
        if trees.start is not None:
            valid[0].set_init_score(margins(trees.start, held_out.X))
        if trees.patience:
            callbacks.append(lightgbm.early_stopping(trees.patience, verbose=False))
    booster = lightgbm.train(parameters, data, trees.n_trees, valid_sets=valid, callbacks=callbacks)
    rounds = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    forest = replace(from_lightgbm(booster.model_to_string(num_iteration=rounds), names), base=base)
    some = task.X[:CHECKED_ROWS]
    raw = np.asarray(booster.predict(some, raw_score=True, num_iteration=rounds))
    difference = check_model(forest, some, base + raw)
    forest = forest if trees.start is None else trees.start.joined(forest)
    return Trained("lightgbm", forest, _average_precision(forest, held_out), rounds, difference)


def _xgboost(
    trees: Trees, task: Task, held_out: Task | None, names: Sequence[str], report: Callable[[int], None]
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
        "scale_pos_weight": task.positive_weight(trees.positive_weight),
        "nthread": trees.threads or os.cpu_count() or 1,
        "device": trees.device,
        "seed": trees.seed,
    }
    if trees.device != "cpu" and not xgboost.build_info().get("USE_CUDA"):
        msg = f"device {trees.device!r} needs a build of XGBoost with CUDA: the package xgboost instead of xgboost-cpu"
        raise UnavailableError(msg)
    objective: Callable[[FloatArray, object], tuple[FloatArray, FloatArray]] | None = None
    if trees.focal:
        # a loss of one's own is given no weights
        weight = task.weights(trees.positive_weight)
        start = focal.start(task.y, weight)
        parameters |= {"base_score": 1.0 / (1.0 + np.exp(-start)), "scale_pos_weight": 1.0}
        objective = lambda margin, _: focal.objective(margin.astype(np.float64), task.y, trees.focal, weight)  # noqa: E731
    data = xgboost.DMatrix(_finite(task.X), task.y, weight=task.weight)
    evals = []
    if held_out is not None:
        evals.append((xgboost.DMatrix(_finite(held_out.X), held_out.y, weight=held_out.weight), "validation"))
    if trees.start is not None:
        parameters["base_score"] = 0.5
        for matrix, rows in zip([data, *(one for one, _ in evals)], (task, held_out), strict=False):
            matrix.set_base_margin(margins(trees.start, rows.X) if rows is not None else None)
    booster = xgboost.train(
        parameters,
        data,
        trees.n_trees,
        evals=evals,
        early_stopping_rounds=trees.patience or None if evals else None,
        verbose_eval=False,
        callbacks=[Report()],
        obj=objective,
    )
    rounds = booster.num_boosted_rounds()
    if evals and trees.patience:
        rounds = booster.best_iteration + 1
        booster = booster[:rounds]
    forest = from_xgboost(booster.save_raw("json"), names)
    some = task.X[:CHECKED_ROWS]
    difference = check_model(forest, some, booster.predict(xgboost.DMatrix(_finite(some)), output_margin=True))
    forest = forest if trees.start is None else trees.start.joined(forest)
    return Trained("xgboost", forest, _average_precision(forest, held_out), rounds, difference)


def _finite(X: FloatArray) -> FloatArray:
    """Return the rows with infinities as the largest floats, because XGBoost takes no others."""
    largest = float(np.finfo(np.float32).max)
    return np.clip(X, -largest, largest)

"""Families: the mean is the mean, the stack is a logistic regression, and reasons add up in both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import BundleError, DefinitionError
from adjudge.models.blend import BlendScorer, Family
from adjudge.models.calibrate import Platt
from adjudge.models.categories import Categories
from adjudge.models.families import Families
from adjudge.models.logistic import Logistic
from adjudge.models.served import check_invariance, load, save
from adjudge.models.steps import Steps
from adjudge.models.trees import Trees

from .rows import Rows

NAMES = tuple("abcdefgh")
GROUPS = {"first": ["b", "a", "c"], "second": ["d", "e"], "third": ["h", "f"]}
WEIGHTS = {"first": 0.5, "second": 0.3, "third": 0.2}
SMALL = Trees(n_trees=20, depth=3, threads=1, rate=0.2)


def fit(train: Rows, later: Rows, **settings: Any) -> Families:
    model = Families(GROUPS, estimator=SMALL, **settings)
    return model.fit(train.X, train.y, names=NAMES, validation=(later.X, later.y))


def places(scorer: BlendScorer) -> Any:
    return np.array([NAMES.index(name) for name in scorer.names])


def test_the_mean_of_the_probabilities_by_hand(train: Rows, later: Rows) -> None:
    scorer = fit(train, later, weights=WEIGHTS).served()
    scores = scorer.score(later.slots, places(scorer))
    assert list(scores.families) == ["first", "second", "third"]
    by_hand = sum(WEIGHTS[name] * p for name, p in scores.families.items())
    np.testing.assert_allclose(scores.p, by_hand, rtol=1e-14)
    np.testing.assert_allclose(scores.margin, np.log(scores.p / (1 - scores.p)), rtol=1e-12)
    assert scorer.names == ("b", "a", "c", "d", "e", "h", "f")


def test_each_family_is_its_own_estimator(train: Rows, later: Rows) -> None:
    model = fit(train, later)
    scores = model.served().score(later.slots, places(model.served()))
    own = Trees(n_trees=20, depth=3, threads=1, rate=0.2)
    own.fit(train.X[:, [1, 0, 2]], train.y, names=GROUPS["first"], validation=(later.X[:, [1, 0, 2]], later.y))
    assert np.array_equal(scores.families["first"], own.predict_proba(later.X[:, [1, 0, 2]])[:, 1])


def test_the_stack_is_a_logistic_regression_on_margins(train: Rows, later: Rows) -> None:
    model = fit(train, later, stack=True)
    scorer = model.served()
    margins = np.stack(
        [
            one.decision_function(later.X[:, [NAMES.index(name) for name in GROUPS[family]]])
            for family, one in model.fitted_.items()
        ],
        axis=1,
    )
    library = LogisticRegression(C=np.inf, tol=1e-10).fit(margins, later.y)
    if (library.coef_ > 0).all():
        expected = [*library.coef_[0], *library.intercept_]
        assert [*(one.weight for one in scorer.families), scorer.intercept] == pytest.approx(expected, abs=0.01)
    single = max(roc_auc_score(later.y, column) for column in margins.T)
    assert roc_auc_score(later.y, model.predict_proba(later.X)[:, 1]) > single


@pytest.mark.parametrize("settings", [{"weights": WEIGHTS}, {"stack": True}, {}])
def test_contributions_add_up_and_top_is_their_largest(train: Rows, later: Rows, settings: dict[str, Any]) -> None:
    scorer = fit(train, later, **settings).served()
    scores = scorer.score(later.slots, places(scorer))
    every, bias = scorer.contributions(later.slots, places(scorer))
    np.testing.assert_allclose(every.sum(axis=1) + bias, scores.margin, atol=1e-6)
    for row, top, value in zip(every, scores.top, scores.top_value, strict=True):
        order = [f for f in np.argsort(-row, kind="stable") if row[f] > 0][: len(top)]
        assert top[: len(order)].tolist() == order
        np.testing.assert_allclose(value[: len(order)], row[order], rtol=1e-12)
        assert (top[len(order) :] == -1).all()


@pytest.mark.parametrize("settings", [{"weights": WEIGHTS}, {"stack": True}])
def test_rows_do_not_feel_their_neighbours_and_survive_saving(
    train: Rows, later: Rows, settings: dict[str, Any], tmp_path: Path
) -> None:
    scorer = fit(train, later, **settings).served()
    assert check_invariance(scorer, later.slots, places(scorer)) > 0
    save(scorer, tmp_path)
    again = load(tmp_path, bytes(16))
    before, after = scorer.score(later.slots, places(scorer)), again.score(later.slots, places(scorer))
    assert np.array_equal(before.p, after.p)
    assert np.array_equal(before.top, after.top)
    assert all(np.array_equal(before.families[name], after.families[name]) for name in GROUPS)


def test_other_estimators_and_texts(train: Rows, later: Rows, tmp_path: Path) -> None:
    secret = bytes(range(16))
    words = {
        rows: hash_texts(secret, TEXT_TAG, np.where(X[:, 0] > 0, "x", "y").tolist()).view(np.float64)
        for rows, X in (("train", train.X), ("later", later.X))
    }
    past, future = train.X.copy(), later.X.copy()
    past[:, 3], future[:, 3] = words["train"], words["later"]
    categories = Categories.fit(past, train.y, NAMES, {"d": ["x", "y"]}, secret=secret)
    model = Families(GROUPS, estimator=Logistic(bins=5))
    model.fit(past, train.y, names=NAMES, validation=(future, later.y), categories=categories)
    scorer = model.served()
    slots = np.ascontiguousarray(future.T)
    assert 3 in scorer.score(slots, places(scorer)).top
    save(scorer, tmp_path)
    assert np.array_equal(load(tmp_path, secret).score(slots, places(scorer)).p, model.predict_proba(future)[:, 1])


def test_named_thresholds_are_met_where_they_stand() -> None:
    """Four families weighted .25, .35, .20, .20 that say .9, .6, .5, .2: .225 + .21 + .1 + .04 = .575."""

    def constant(name: str, p: float, weight: float) -> Family:
        logit = float(np.log(p / (1 - p)))
        steps = Steps((name,), np.array([0, 0]), np.array([]), np.zeros(2), logit)
        return Family(name, steps, Platt(), weight)

    families = [
        constant("a", 0.9, 0.25),
        constant("b", 0.6, 0.35),
        constant("c", 0.5, 0.2),
        constant("d", 0.2, 0.2),
    ]
    scores = BlendScorer(families, "mean").score(np.zeros((4, 2)), np.arange(4))
    assert scores.p.tolist() == pytest.approx([0.25 * 0.9 + 0.35 * 0.6 + 0.2 * 0.5 + 0.2 * 0.2] * 2, rel=1e-15)
    assert (scores.top == -1).all()


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"families": {}}, "must be a family"),
        ({"families": {"x": []}}, "has no features"),
        ({"families": {"x": ["aa"]}}, "did you mean 'a'"),
        ({"families": {"x": ["a"], "y": ["a"]}}, "two families"),
        ({"families": {"x": ["a"]}, "weights": {"xx": 1.0}}, "differ in"),
        ({"families": {"x": ["a"]}, "weights": {"x": 0.0}}, "not all 0"),
        ({"families": {"x": ["a"]}, "stack": True}, "validation rows"),
    ],
)
def test_wrong_families_are_named(train: Rows, settings: dict[str, Any], what: str) -> None:
    with pytest.raises(DefinitionError, match=what):
        Families(**settings).fit(train.X, train.y, names=NAMES)


def test_wrong_blends_are_refused() -> None:
    steps = Steps(("a",), np.array([0, 0]), np.array([]), np.zeros(2), 0.0)
    other = Steps(("b",), np.array([0, 0]), np.array([]), np.zeros(2), 0.0)
    one = Family("x", steps, Platt(), 0.5)
    for families, how in (
        ([], "mean"),
        ([one, one], "mean"),
        ([one], "mean"),
        ([Family("x", steps, Platt(), -1.0), Family("y", other, Platt(), 2.0)], "stack"),
        ([one, Family("y", other, Platt(), 0.5)], "median"),
    ):
        with pytest.raises(BundleError, match="a blend needs"):
            BlendScorer(families, how)  # type: ignore[arg-type]

"""Stacks: weights come from rows after those that members were trained on, and every set of layers is served alike."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.engine.layers import NOT_NEEDED, RAN, layers_of
from adjudge.engine.scorer import Layered
from adjudge.errors import BundleError, DefinitionError, ShapeError
from adjudge.models.categories import Categories
from adjudge.models.logistic import Logistic
from adjudge.models.served import check_equal_to_trained, check_invariance, load, save
from adjudge.models.stack import Of, Stack, clear, fold_cuts, known_before
from adjudge.models.stacked import Member, StackScorer
from adjudge.models.trees import Trees
from adjudge.typing import FloatArray, IntArray

from .rows import Rows, draw

NAMES = [f"f{i}" for i in range(8)]
NAMED = ["a", "b", "noise"]
SECRET = bytes(16)


def stack(**settings: Any) -> Stack:
    """Return a stack of two fast members and a deep one."""
    members = (
        Trees(n_trees=20, depth=3, threads=1),
        ("line", Logistic(bins=8)),
        Of(Trees(n_trees=10, depth=2, threads=1), "late", "deep", features=NAMES[:4]),
    )
    return Stack(*members, **{"folds": 2, "sure": 0.0, **settings})


@pytest.fixture(scope="module")
def fitted(train: Rows, later: Rows) -> Stack:
    return stack().fit(train.X, train.y, validation=(later.X, later.y), names=NAMES)


def test_members_stand_in_the_order_of_their_layers(fitted: Stack) -> None:
    served = fitted.served()
    assert (served.layers, served.family_names) == (("fast", "deep"), ("trees", "line", "late"))
    assert isinstance(served, Layered)
    assert sorted(served.mixes) == [1, 2, 3]
    late = served.members[2]
    assert late.model.names == tuple(NAMES[:4])
    assert served.names == tuple(NAMES)


def test_a_second_member_of_a_class_is_numbered(train: Rows) -> None:
    two = Stack(Logistic(bins=4), Logistic(bins=5), layers={"logistic_2": "graph"}, folds=1).fit(train.X, train.y)
    assert [(m.name, m.layer) for m in two.served().members] == [("logistic", "fast"), ("logistic_2", "graph")]


def test_it_is_served_alike_whatever_the_batch_and_adds_up(fitted: Stack, later: Rows) -> None:
    served = fitted.served()
    assert check_invariance(served, later.slots, later.places) == 3 * 7 * len(later.y)
    for there in (1, 2, 3):
        mix = served.mixes[there]
        values, bias = served.contributions_with(later.slots, later.places, there)
        margins = [m.model.raw(later.slots, later.places[: len(m.model.names)], 0).margin for m in served.members]
        np.testing.assert_allclose(
            bias + values.sum(axis=1), mix.weights @ np.stack(margins) + mix.intercept, atol=1e-9
        )


def test_saved_and_loaded_it_is_the_same(fitted: Stack, later: Rows, tmp_path: Path) -> None:
    served = fitted.served()
    save(served, tmp_path)
    again = load(tmp_path, SECRET)
    assert isinstance(again, StackScorer)
    assert (again.version, again.layers, again.needed) == (served.version, served.layers, served.needed)
    for settled in (None, later.X[:, 0] > 0):
        one = served.score(later.slots, later.places, settled)
        two = again.score(later.slots, later.places, settled)
        assert one.margin.tobytes() == two.margin.tobytes()
        assert one.p.tobytes() == two.p.tobytes()
    assert check_equal_to_trained(again, later.slots, later.places, fitted.decision_function(later.X)) == 0.0


@pytest.mark.parametrize("there", [1, 3])
def test_each_set_of_layers_is_calibrated_for_itself(fitted: Stack, later: Rows, there: int) -> None:
    served = fitted.served()
    values, bias = served.contributions_with(later.slots, later.places, there)
    p = served.mixes[there].calibrator.apply(values.sum(axis=1) + bias)
    assert float(p.mean()) == pytest.approx(float(later.y.mean()), abs=0.01)


def test_with_venn_abers_each_set_of_layers_has_an_interval(train: Rows, later: Rows, fitted: Stack) -> None:
    made = stack(calibration="venn_abers", needed=(0.0, 1.0))
    served = made.fit(train.X, train.y, names=NAMES, validation=(later.X, later.y)).served()
    for there in (1, 3):
        margin = served.margin_with(later.slots, later.places, there)
        found, p = served.interval(margin, there), served.mixes[there].calibrator.apply(margin)
        assert found is not None
        assert ((found[0] <= p) & (p <= found[1]) & (found[0] < found[1])).all()
    assert margin.tobytes() == served.score(later.slots, later.places).margin.tobytes()
    every = served.interval(margin)
    assert every is not None
    assert found is not None
    assert np.array_equal(every[0], found[0])
    assert fitted.served().interval(margin) is None


def test_what_rules_settle_gets_what_the_first_layer_says(fitted: Stack, later: Rows) -> None:
    served = fitted.served()
    settled = np.arange(len(later.y)) % 2 == 0
    scores = served.score(later.slots, later.places, settled)
    asked = ~np.isnan(scores.families["late"])
    low, high = served.needed
    assert not asked[settled].any()
    first = served.score(later.slots, later.places, np.ones(len(later.y), np.bool_))
    assert np.array_equal(asked, ~settled & (first.p >= low) & (first.p <= high))
    assert np.array_equal(scores.p[~asked], first.p[~asked])


def test_few_positives_are_passed_without_the_later_layers(fitted: Stack, train: Rows, later: Rows) -> None:
    served = fitted.served()
    low, high = served.needed
    first = served.score(later.slots, later.places, np.ones(len(later.y), np.bool_))
    assert high == 1.0
    assert np.mean(first.p[later.y == 1] < low) <= 0.01
    every = stack(needed=(0.0, 1.0)).fit(train.X, train.y, validation=(later.X, later.y), names=NAMES).served()
    assert not np.isnan(every.score(later.slots, later.places).families["late"]).any()


def slowly(served: StackScorer, X: FloatArray, rows: IntArray, there: int) -> tuple[FloatArray, FloatArray]:
    """Return margins and contributions of one set of layers: model after model, each number by itself."""
    mix, place = served.mixes[there], {name: i for i, name in enumerate(served.names)}
    margin, every = np.full(X.shape[1], mix.intercept), np.zeros((X.shape[1], len(served.names)))
    for member, weight in zip(served.members, mix.weights, strict=True):
        if weight > 0:
            own = rows[[place[name] for name in member.model.names]]
            margin += weight * member.model.raw(X, own, 0).margin
            every[:, [place[name] for name in member.model.names]] += weight * member.model.contributions(X, own)
    return margin, every


@pytest.mark.parametrize("n", [1, 5, 300])
def test_what_is_computed_together_has_the_bits_of_each_by_itself(fitted: Stack, later: Rows, n: int) -> None:
    served, X = fitted.served(), np.ascontiguousarray(later.slots[:, :n])
    said = [layer.part.score(X, layer.rows) for layer in layers_of(served, later.places)]
    for there in (1, 2, 3):
        codes = np.array([[RAN if there >> at & 1 else NOT_NEEDED] * n for at in range(2)], np.uint8)
        scores = served.combine(said, codes)
        margin, every = slowly(served, X, later.places, there)
        assert scores.margin.tobytes() == margin.tobytes()
        order = np.argsort(-every, axis=1, kind="stable")[:, : served.top]
        pushed = np.take_along_axis(every, order, axis=1)
        assert scores.top.tolist() == np.where(pushed > 0, order, -1).tolist()
        assert scores.top_value.tobytes() == np.maximum(pushed, 0.0).tobytes()


def test_nobody_asks_why_of_a_member_that_never_weighs(fitted: Stack, later: Rows) -> None:
    """Its own probability is still told, so its margin is computed, and nothing else of it."""
    served = fitted.served()
    mixes = {there: replace(mix, weights=mix.weights * [1, 0, 1]) for there, mix in served.mixes.items()}
    one = StackScorer(served.members, mixes, needed=served.needed)
    said, before = (s.parts[0][0].score(later.slots, later.places) for s in (one, served))
    assert (said.shape[1], before.shape[1]) == (2 + 8, 2 + 16)
    assert set(one.score(later.slots, later.places).families) == {"trees", "line", "late"}
    values, bias = one.contributions_with(later.slots, later.places, 1)
    margin, _ = slowly(one, later.slots, later.places, 1)
    np.testing.assert_allclose(values.sum(axis=1) + bias, margin, atol=1e-9)


def test_a_layer_that_does_not_pay_is_off_and_stands_by() -> None:
    """The deep layer reads noise: beside the fast one it is never asked, whatever weight it was given."""
    random = np.random.default_rng(11)
    X = random.normal(size=(2000, 3))
    y = (X[:, 0] + X[:, 1] + random.normal(size=2000) > 2.0).astype(np.float64)

    def layers(deep: list[str], **settings: Any) -> Stack:
        fast = Of(Logistic(), features=["a"])
        return Stack(fast, Of(Logistic(), "late", "deep", features=deep), folds=2, **settings).fit(X, y, names=NAMED)

    off, kept, good = layers(["noise"]), layers(["noise"], sure=0.0), layers(["b"])
    assert off.helps_ == kept.helps_
    assert off.helps_["deep"] < 0.9 < good.helps_["deep"]
    asked = [~np.isnan(one.served().score(X.T.copy(), np.arange(3)).families["late"]) for one in (off, kept, good)]
    assert [bool(one.any()) for one in asked] == [False, bool(kept.served().mixes[3].weights[1] > 0), True]
    assert off.served().mixes[3].weights.tolist() == off.served().mixes[1].weights.tolist()


class Spy(Logistic):
    """Remembers the rows that it was trained on and stopped by, over all its copies."""

    seen: list[tuple[int, int]] = []  # noqa: RUF012

    def fit(self, X: Any, y: Any = None, **given: Any) -> Self:
        later = given.get("validation")
        self.seen.append((int(X[-1, 0]), -1 if later is None else int(later[0][-1, 0])))
        return super().fit(X, y, **given)

    def decision_function(self, X: Any) -> Any:
        self.seen.append((int(X[0, 0]), -2))
        return super().decision_function(X)


def test_what_weighs_members_was_said_about_rows_after_all_that_they_had_seen() -> None:
    y = (np.random.default_rng(4).random(400) < 0.3).astype(np.float64)
    X = np.stack([np.arange(400.0), np.random.default_rng(5).normal(size=400)], axis=1)
    Spy.seen.clear()
    Stack(Spy(bins=4), folds=3).fit(X, y)
    cuts = fold_cuts(y, 3)
    trained, judged = Spy.seen[0:6:2], Spy.seen[1:6:2]
    for (last, stopped), (first, _), cut in zip(trained, judged, cuts, strict=False):
        assert last < stopped == cut - 1
        assert first == cut
    assert Spy.seen[6:] == [(399, -1)]  # and then on everything


def test_unless_told_the_last_quarter_of_the_positives_is_judged() -> None:
    """By members that were trained on nearly as much as those that serve."""
    y = (np.random.default_rng(4).random(400) < 0.3).astype(np.float64)
    X = np.stack([np.arange(400.0), np.random.default_rng(5).normal(size=400)], axis=1)
    Spy.seen.clear()
    made = Stack(Spy(bins=4)).fit(X, y)
    (_, stopped), (first, _), (last, _) = Spy.seen
    assert (stopped + 1, last) == (first, 399)
    assert y[:first].sum() == int(0.75 * y.sum())
    assert made.out_of_time_.shape == (1, 400 - first)


def test_judges_of_a_part_are_trained_on_what_was_known_when_it_began() -> None:
    """Outcomes take 40 rows: those of the last 40 before a part are neither trained on nor stopped by."""
    y = (np.random.default_rng(4).random(400) < 0.3).astype(np.float64)
    X = np.stack([np.arange(400.0), np.random.default_rng(5).normal(size=400)], axis=1)
    Spy.seen.clear()
    Stack(Spy(bins=4), folds=2).fit(X, y, known=known_before(np.arange(400), 40))
    cuts = fold_cuts(y, 2)
    assert [stopped for _, stopped in Spy.seen[0:4:2]] == [cut - 40 for cut in cuts[:-1]]
    assert [first for first, _ in Spy.seen[1:4:2]] == cuts[:-1]


def test_a_member_that_learns_by_heart_does_not_outweigh_one_that_understands() -> None:
    """In-sample its margins are perfect; ahead they are noise, and that is what counts."""
    random = np.random.default_rng(7)
    X = random.normal(size=(3000, 2))
    y = (X[:, 1] + random.normal(size=3000) > 0.8).astype(np.float64)
    heart = Trees(n_trees=60, depth=8, min_rows=1, rate=0.3, patience=0, threads=1)
    made = Stack(Of(heart, "heart", features=["noise"]), Of(Logistic(bins=16), "sense", features=["x"]), folds=3)
    weights = made.fit(X, y, names=["noise", "x"]).served().mixes[1].weights
    margins = [made.fitted_["heart"].decision_function(X[:, :1]), made.fitted_["sense"].decision_function(X[:, 1:])]
    assert weights[1] * np.std(margins[1]) > 5 * weights[0] * np.std(margins[0])


def test_weights_of_rows_count(train: Rows) -> None:
    heavy = np.where(train.y == 1, 1.0, 20.0)
    plain = Stack(Logistic(bins=4), folds=2, calibration=None).fit(train.X, train.y)
    weighted = Stack(Logistic(bins=4), folds=2, calibration=None).fit(train.X, train.y, weight=heavy)
    assert weighted.predict_proba(train.X)[:, 1].mean() < 0.3 * plain.predict_proba(train.X)[:, 1].mean()


def test_texts_are_read_by_members_that_want_them() -> None:
    rows = draw(1200, seed=3)
    from adjudge.engine.hashing import TEXT_TAG, hash_texts

    words = np.array(["web", "shop", "phone"])[np.random.default_rng(1).integers(0, 3, len(rows.y))]
    X = rows.X.copy()
    X[:, 0] = hash_texts(SECRET, TEXT_TAG, words.tolist()).view(np.float64)
    y = np.where(words == "web", rows.y, 0.0)
    categories = Categories.fit(X, y, NAMES, {"f0": ["phone", "shop", "web"]}, secret=SECRET)
    made = Stack(
        Trees(n_trees=10, depth=3, threads=1), Of(Logistic(), features=NAMES[1:]), layers={"logistic": "deep"}, folds=2
    ).fit(X, y, names=NAMES, categories=categories)
    assert set(made.served().categories.texts) == {"f0"}  # type: ignore[union-attr]
    assert check_invariance(made.served(), np.ascontiguousarray(X.T), np.arange(8))


def test_progress_goes_from_nothing_to_all(train: Rows, later: Rows) -> None:
    told: list[float] = []
    stack().fit(train.X, train.y, validation=(later.X, later.y), names=NAMES, progress=lambda a, b: told.append(a / b))
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 20


def test_the_same_rows_give_the_same_stack(train: Rows, later: Rows, fitted: Stack) -> None:
    again = copy.deepcopy(stack()).fit(train.X, train.y, validation=(later.X, later.y), names=NAMES)
    assert again.served().version == fitted.served().version


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stack(), "needs a member"),
        (lambda: Stack(Logistic(), layers={"logistic": "depe"}), "did you mean 'deep'"),
        (lambda: Stack(Logistic(), layers={"logistc": "deep"}), "did you mean 'logistic'"),
        (lambda: Stack(("a", Logistic()), ("a", Logistic())), "two members of a stack are called 'a'"),
        (lambda: Stack(Of(Logistic(), features=["f9"])), "reads 'f9', which is no feature"),
    ],
)
def test_members_that_do_not_fit_are_refused(make: Any, message: str, train: Rows) -> None:
    with pytest.raises(DefinitionError, match=message):
        make().fit(train.X, train.y, names=NAMES)


def test_too_few_positives_are_refused() -> None:
    with pytest.raises(ShapeError, match="too few for 4 folds"):
        fold_cuts(np.array([1.0, 0.0] * 9), 4)
    with pytest.raises(ShapeError, match="nothing but positives"):
        fold_cuts(np.array([0.0] * 4 + [1.0] * 6), 2)
    with pytest.raises(DefinitionError, match="at least one part"):
        fold_cuts(np.array([1.0, 0.0] * 9), 1, before=1.0)
    with pytest.raises(DefinitionError, match="share of the positives"):
        clear(np.array([0.5]), np.array([1.0]), 1.5)


def test_a_stack_that_was_tampered_with_is_refused(fitted: Stack) -> None:
    served = fitted.served()
    meta = served.meta()
    meta["mixes"] = meta["mixes"][:2]
    with pytest.raises(BundleError, match="a mix for every set"):
        StackScorer.from_arrays(meta, served.arrays(), SECRET)
    one = served.members[0]
    with pytest.raises(DefinitionError, match="in the order of their layers"):
        StackScorer([Member("a", "deep", one.model, one.calibrator), one], served.mixes)


def test_what_is_judged_ahead_does_not_order_the_categories_that_judge_it() -> None:
    """Of three hundred shops without any meaning a member must find none in rows that it was not trained on."""
    random, shops = np.random.default_rng(0), [f"shop {i}" for i in range(300)]
    column = hash_texts(SECRET, TEXT_TAG, [shops[i] for i in random.integers(0, 300, 6000)]).view(np.float64)
    X, y = np.stack([column, random.normal(size=6000)], axis=1), (random.random(6000) < 0.05).astype(np.float64)
    categories = Categories.fit(X, y, ["shop", "noise"], {"shop": shops}, secret=SECRET)
    made = Stack(Trees(n_trees=20, depth=3, threads=1), folds=2).fit(
        X, y, names=["shop", "noise"], categories=categories
    )
    ahead = made.out_of_time_[0]
    assert 0.4 < roc_auc_score(y[-len(ahead) :], ahead) < 0.6

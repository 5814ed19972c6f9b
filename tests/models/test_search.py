"""Parameters of estimators inside others: read, set and drawn under their names."""

from __future__ import annotations

import pytest
from sklearn.base import clone

from adjudge.errors import DefinitionError
from adjudge.models import BalancedBagging, Families, FromOnnx, Isolation, Stack, Trees
from adjudge.models.search import Chosen, Searchable, searched


def stack() -> Stack:
    return Stack(Trees(depth=3), ("slow", Trees(depth=7)), Isolation())


def test_settings_of_members_are_reached_by_their_names() -> None:
    one = stack()
    assert (one.get_params()["trees__depth"], one.get_params()["slow__depth"]) == (3, 7)
    one.set_params(slow__depth=5, folds=2)
    assert (one.get_params()["trees__depth"], one.get_params()["slow__depth"], one.folds) == (3, 5, 2)
    with pytest.raises(DefinitionError, match="Stack has no parameter 'slw__depth'; did you mean 'slow__depth'"):
        one.set_params(slw__depth=5)
    with pytest.raises(DefinitionError, match="Trees has no parameter 'dept'; did you mean 'depth'"):
        one.set_params(slow__dept=5)


@pytest.mark.parametrize("holder", [Families({"one": ["a"]}), BalancedBagging()], ids=["families", "bagging"])
def test_what_stands_for_none_can_be_set(holder: Families | BalancedBagging) -> None:
    assert holder.estimator is None
    untouched = holder.get_params()["estimator__rate"]
    holder.set_params(estimator__depth=2)
    assert isinstance(holder.estimator, Trees)
    assert (holder.estimator.depth, holder.estimator.rate) == (2, untouched)


def test_members_that_offer_nothing_keep_what_they_have() -> None:
    names = searched(Stack(FromOnnx("a.onnx"), Isolation()))
    assert names == ("isolation__n_trees", "isolation__sample", "isolation__columns")


def test_what_is_not_drawn_is_kept() -> None:
    one = stack()
    assert isinstance(one, Searchable)
    kept = one.search(Chosen(one))
    assert kept == {name: one.get_params()[name] for name in searched(one)}
    assert kept["slow__depth"] == 7


def test_an_estimator_is_written_the_same_wherever_it_is() -> None:
    assert repr(stack()) == repr(stack())
    assert "object at" not in repr(Stack(Trees(), layers={"trees": "deep"}))
    assert repr(Isolation(seed=3)).startswith("Isolation(n_trees=100, sample=256,")


def test_copies_of_scikit_learn_have_the_same_parameters() -> None:
    families = Families({"one": ["a"]}, estimator=Trees(depth=2))
    assert clone(families).get_params()["estimator__depth"] == 2

"""Wrong definitions fail when the system is compiled, naming the place and the nearest right name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest

from adjudge.define import (
    Capacity,
    Category,
    Costs,
    Event,
    Fallback,
    Features,
    Id,
    Key,
    Label,
    Money,
    Number,
    Outcome,
    Place,
    Policy,
    Profile,
    Rule,
    Rules,
    System,
    Time,
    days,
    feature,
    field,
    hours,
)
from adjudge.engine import compile
from adjudge.errors import DefinitionError


class Sale(Event):
    """A sale."""

    sale_id: Id
    at: Time
    buyer: Key
    amount: Money = field(minimum=0)
    kind: Category
    weight: Number | None
    place: Place | None


class Buyer(Profile):
    """A buyer."""

    change_id: Id
    at: Time
    buyer: Key
    since: Time


buyer = Sale.by("buyer")


def system(features: Sequence[Features] = (), **more: Any) -> System:
    return System("sales", Sale, label=Label("returned"), features=features, **more)


WRONG: dict[str, tuple[Any, str]] = {
    "field": (lambda: system([buyer.mean("amuont", days(1))]), "feature 'buyer_amuont_mean_1d'.*did you mean 'amount'"),
    "entity field": (lambda: system([Sale.by("byer").count(days(1))]), "no field 'byer'; did you mean 'buyer'"),
    "entity of numbers": (lambda: system([Sale.by("weight").count(days(1))]), "'weight' is a number"),
    "mean of a category": (lambda: system([buyer.mean("kind", days(1))]), "mean of 'kind' makes no sense"),
    "speed of a number": (lambda: system([buyer.speed("weight")]), "speed needs a place"),
    "sum of a place": (lambda: system([buyer.sum("place", days(1))]), "sum of 'place' makes no sense"),
    "rate of a field": (lambda: system([buyer.rate("weight", days(1))]), "is no label or outcome"),
    "rate of an unknown label": (lambda: system([buyer.rate("retuned", days(1))]), "did you mean 'returned'"),
    "derived name": (lambda: system([feature("x", "log1p(amont)")]), "feature 'x'.*did you mean 'amount'"),
    "derived type": (lambda: system([feature("x", "kind + 1")]), "feature 'x'"),
    "derived from later": (lambda: system([feature("x", "y"), feature("y", "1")]), "feature 'x'.*unknown name 'y'"),
    "condition": (lambda: system([buyer.where("weigth > 1").count(days(1))]), "condition.*did you mean 'weight'"),
    "condition type": (lambda: system([buyer.where("weight").count(days(1))]), "must be a boolean"),
    "same name twice": (
        lambda: system([feature("x", "1"), feature("x", "2")]),
        "two features or fields are called 'x'",
    ),
    "name of a field": (lambda: system([feature("weight", "1")]), "called 'weight'"),
    "rule name": (lambda: system(rules=Rules((Rule("r", "amnt > 1", "block"),))), "rule 'r'.*unknown name 'amnt'"),
    "rule action": (lambda: system(rules=Rules((Rule("r", "amount > 1", "blok"),))), "rule 'r'.*did you mean 'block'"),
    "rule reason": (
        lambda: system(rules=Rules((Rule("r", "amount > 1", "block", "{amonut}"),))),
        "reason names 'amonut'.*did you mean 'amount'",
    ),
    "rule list": (lambda: system(rules=Rules((Rule("r", "buyer in listed", "block"),))), "listed"),
    "model input": (lambda: system(inputs=["amout"]), "did you mean 'amount'"),
    "left out": (lambda: system(leave_out=["amout"]), "did you mean 'amount'"),
    "amount": (lambda: system(amount="kind"), "is no money field"),
    "cost without amount": (lambda: system(policy=Policy(by_cost=True)), "needs `amount`"),
    "profile field": (lambda: system([Buyer.by("buyer").latest("sinse")]), "did you mean 'since'"),
    "system name": (lambda: System("my sales", Sale), "must be an identifier"),
    "decided profile": (
        lambda: System("buyers", Buyer),
        "'buyer' holds profiles; `decides` must be a stream of events",
    ),
    "window of zero": (lambda: system([buyer.count(hours(0))]), "longer than zero"),
    "no duration": (lambda: system([buyer.count("x")]), "a window is a duration such as hours"),  # type: ignore[arg-type]
    "no window": (lambda: system([buyer.count()]), "at least one window"),
    "latest of events": (lambda: system([buyer.latest("weight")]), "reads profiles"),
    "bands": (lambda: system(policy=Policy(bands={"approve": 60, "block": 50})), "must rise"),
    "bands end": (lambda: system(policy=Policy(bands={"approve": 60, "block": 90})), "end at 100"),
    "band action": (lambda: system(policy=Policy(bands={"aprove": 60, "block": 100})), "did you mean 'approve'"),
    "thresholds": (lambda: system(policy=Policy(thresholds={"block": 0.2, "review": 0.5})), "must rise"),
    "two ways": (
        lambda: system(policy=Policy(thresholds={"block": 0.2}, by_cost=True)),
        "choose one of bands, thresholds and by_cost",
    ),
    "costs": (lambda: Costs(fraud_share=2), "between 0 and 1"),
    "capacity": (lambda: Capacity(0), "above 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_definition(name: str) -> None:
    make, message = WRONG[name]
    with pytest.raises(DefinitionError, match=r"(?s)" + message):
        compile(make())


def test_two_ids() -> None:
    class Twice(Event):
        a: Id
        b: Id
        at: Time

    with pytest.raises(DefinitionError, match="exactly one Id field, not 2"):
        compile(System("twice", Twice))


def test_field_without_type() -> None:
    class Untyped(Event):
        a: Id
        at: Time
        size: int

    with pytest.raises(DefinitionError, match="field 'size' of stream 'Untyped' has no field type"):
        compile(System("untyped", Untyped))


def test_no_time() -> None:
    class Timeless(Event):
        a: Id

    with pytest.raises(DefinitionError, match="required Time field"):
        compile(System("timeless", Timeless))


def test_a_secret_has_sixteen_bytes() -> None:
    with pytest.raises(DefinitionError, match="16 bytes, not 3"):
        compile(system(), secret=b"abc")


def test_versions_change_with_what_they_version() -> None:
    plain = compile(system([buyer.count(days(1))])).versions
    other = compile(system([buyer.count(days(2))])).versions
    ruled = compile(system([buyer.count(days(1))], rules=Rules((Rule("r", "amount > 1", "block"),)))).versions
    assert plain["system"] != other["system"]
    assert plain["layout"] != other["layout"]
    assert (plain["system"], plain["layout"]) == (ruled["system"], ruled["layout"])
    assert plain["rules"] != ruled["rules"]


def test_the_contents_of_lists_are_versioned_in_any_order() -> None:
    def versions(kinds: tuple[str, ...], **lists: Collection[str | float]) -> Mapping[str, str]:
        return compile(system(rules=Rules(lists={"kinds": kinds}), lists=lists)).versions

    plain = versions(("a", "b"), sizes=[1, 2])
    assert versions(("b", "a"), sizes={2.0, 1.0})["lists"] == plain["lists"]
    for other in (
        versions(("a",), sizes=[1, 2]),
        versions(("a", "b"), sizes=[1, 3]),
        versions(("a", "b"), size=[1, 2]),
    ):
        assert other["lists"] != plain["lists"]
        assert (other["system"], other["layout"]) == (plain["system"], plain["layout"])


def test_outcome_names_can_be_counted() -> None:
    plan = compile(system([buyer.count(days(1), of="declined")], outcomes=[Outcome("declined")]))
    assert plan.names[-1] == "buyer_declined_count_1d"


def test_the_fallback_is_part_of_the_policys_hash() -> None:
    """The usual one changes no hash that was there before it could be set."""

    def hashed(fallback: Fallback) -> str:
        policy = Policy(thresholds={"review": 0.5, "block": 0.9}, fallback=fallback)
        return compile(System("s", Sale, policy=policy, amount="amount")).versions["policy"]

    usual = hashed(Fallback())
    assert usual == "5585cbc729f0"
    others = [Fallback("review"), Fallback(above={"review": 5}), Fallback(above={"review": 6})]
    assert len({usual, *map(hashed, others)}) == 4


def test_a_fallback_by_amount_needs_to_know_the_amount() -> None:
    with pytest.raises(DefinitionError, match="a policy with a fallback by amount needs `amount`"):
        compile(System("s", Sale, policy=Policy(fallback=Fallback(above={"review": 5}))))
    compile(System("s", Sale, policy=Policy(fallback=Fallback("review"))))

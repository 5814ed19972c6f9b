"""Features: a feature is a pure function of the histories and the event, with a derived, stable name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from adjudge.errors import DefinitionError

if TYPE_CHECKING:
    from adjudge.define.entity import Entity

AggregationName = Literal[
    "count",
    "sum",
    "mean",
    "std",
    "min",
    "max",
    "first",
    "last",
    "distinct",
    "is_new",
    "since_last",
    "since_first",
    "rate",
    "trend",
    "correlation",
    "decayed_sum",
    "decayed_count",
    "speed",
    "distance",
    "distance_typical",
    "last_n",
    "since_last_n",
    "linked_count",
    "linked_known",
    "linked_events",
]
"""Every aggregation of rows that a feature can ask for."""


@dataclass(frozen=True)
class WindowFeature:
    """One aggregation over the history of one entity.

    Made by the methods of `Entity`, which derive the name.

    Parameters
    ----------
    name
        Stable derived name such as ``user_amount_mean_30d``.
    entity
        Whose history is read, through which condition.
    aggregation
        How its rows are reduced.
    of, other
        Field or outcome that is aggregated; the second one of a correlation.
    window
        Length of the window; None reads the whole memory.
    delay
        The window ends this long before the event; None stands for the delay of the label in `of`.
    parameter
        Half-life in seconds, or the n of the last n; 0 where there is none.
    unit, meaning, owner
        For the catalogue.
    """

    name: str
    entity: Entity
    aggregation: AggregationName
    of: str | None = None
    other: str | None = None
    window: timedelta | None = None
    delay: timedelta | None = timedelta(0)
    parameter: float = 0.0
    unit: str = ""
    meaning: str = ""
    owner: str = ""


@dataclass(frozen=True)
class ProfileFeature:
    """One field of the latest row of a profile.

    Parameters
    ----------
    name
        Stable derived name such as ``user_account_opened``.
    entity
        Whose profile is read.
    of
        The field.
    meaning, owner
        For the catalogue.
    """

    name: str
    entity: Entity
    of: str
    unit: str = ""
    meaning: str = ""
    owner: str = ""


@dataclass(frozen=True)
class DerivedFeature:
    """A feature computed from fields and other features by an expression.

    Parameters
    ----------
    name
        Stable name, typed by the author.
    expression
        Text of the expression.
    unit, meaning, owner
        For the catalogue.
    """

    name: str
    expression: str
    unit: str = ""
    meaning: str = ""
    owner: str = ""


Feature = WindowFeature | ProfileFeature | DerivedFeature
"""Anything that puts a named column beside an event's own fields."""


def feature(name: str, expression: str, *, unit: str = "", meaning: str = "") -> tuple[DerivedFeature, ...]:
    """Return a derived feature, as a tuple like every other way to make features.

    Parameters
    ----------
    name
        Stable name, a Python identifier.
    expression
        Text in the expression language, over fields and features defined before it.
    unit, meaning
        For the catalogue.

    Raises
    ------
    DefinitionError
        If the name is not an identifier.

    Examples
    --------
    >>> feature("amount_log", "log1p(amount)")[0].name
    'amount_log'
    """
    if not name.isidentifier():
        msg = f"feature name {name!r} must be an identifier"
        raise DefinitionError(msg)
    return (DerivedFeature(name, expression, unit, meaning),)


@dataclass(frozen=True)
class FeatureGroup:
    """Features that belong together, have an owner, and may be shared by several systems.

    Parameters
    ----------
    name
        Stable name, shown in the catalogue.
    owner
        Who answers for it.
    features
        The features, nested sequences allowed.
    meaning
        One sentence.
    """

    name: str
    owner: str
    features: Sequence[Features] = field(default=())
    meaning: str = ""


Features = Feature | FeatureGroup | Sequence[Feature]
"""What a system's list of features may hold."""


def flatten(features: Iterable[Features]) -> tuple[Feature, ...]:
    """Return features as one flat tuple in written order; a group's owner goes to features that have none.

    Examples
    --------
    >>> [f.name for f in flatten([feature("a", "1"), FeatureGroup("g", "risk", [feature("b", "2")])])]
    ['a', 'b']
    """
    result: list[Feature] = []
    for item in features:
        if isinstance(item, FeatureGroup):
            result += [f if f.owner else replace(f, owner=item.owner) for f in flatten(item.features)]
        elif isinstance(item, WindowFeature | ProfileFeature | DerivedFeature):
            result.append(item)
        else:
            result += flatten(item)
    return tuple(result)

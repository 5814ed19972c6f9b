"""Declarations: frozen data that says what a decision system is.

Nothing here computes a decision. A `System` is put together from events, entities, features, rules, labels and a
policy, and compiled by the engine.
"""

from adjudge.define.duration import days, duration_text, hours, micros, minutes, seconds
from adjudge.define.entity import Entity
from adjudge.define.event import (
    Boolean,
    Category,
    Event,
    Field,
    Id,
    Key,
    Money,
    Number,
    Place,
    Profile,
    Schema,
    Text,
    Time,
    field,
)
from adjudge.define.feature import (
    DerivedFeature,
    Feature,
    FeatureGroup,
    Features,
    ProfileFeature,
    WindowFeature,
    feature,
    flatten,
)
from adjudge.define.label import Label, Outcome
from adjudge.define.linked import Linked
from adjudge.define.listing import Listing
from adjudge.define.policy import ACTIONS, Capacity, Costs, Fallback, Policy
from adjudge.define.rule import Rule, Rules
from adjudge.define.spec import from_spec, to_spec
from adjudge.define.system import System
from adjudge.define.term import Term

__all__ = [
    "ACTIONS",
    "Boolean",
    "Capacity",
    "Category",
    "Costs",
    "DerivedFeature",
    "Entity",
    "Event",
    "Fallback",
    "Feature",
    "FeatureGroup",
    "Features",
    "Field",
    "Id",
    "Key",
    "Label",
    "Linked",
    "Listing",
    "Money",
    "Number",
    "Outcome",
    "Place",
    "Policy",
    "Profile",
    "ProfileFeature",
    "Rule",
    "Rules",
    "Schema",
    "System",
    "Term",
    "Text",
    "Time",
    "WindowFeature",
    "days",
    "duration_text",
    "feature",
    "field",
    "flatten",
    "from_spec",
    "hours",
    "micros",
    "minutes",
    "seconds",
    "to_spec",
]

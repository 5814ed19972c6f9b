"""Readers of the boosters' own formats: LightGBM's model text and XGBoost's model JSON become a `Forest`.

Only text is read, never code, and neither library is needed. What a reader does not understand it refuses.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from adjudge.errors import BundleError
from adjudge.models import descent
from adjudge.models.forest import Forest
from adjudge.typing import AnyArray, FloatArray

Source = TypeVar("Source")
Result = TypeVar("Result")

_FLOAT32_MAX = float(np.finfo(np.float32).max)
_OVERFLOW = _FLOAT32_MAX + 2.0**103
"""The smallest double that becomes infinite when it is rounded to float32."""


class _Tree(NamedTuple):
    """One tree: nodes in the order of `Forest`, and its categories as (node, set)."""

    feature: Sequence[int]
    kind: Sequence[int]
    threshold: Sequence[float]
    left: Sequence[int]
    right: Sequence[int]
    leaf_value: Sequence[float]
    leaf_cover: Sequence[float]
    sets: Sequence[tuple[int, Sequence[int]]]


def from_lightgbm(text: str, names: Sequence[str] | None = None) -> Forest:
    """Read a LightGBM model with one output.

    Parameters
    ----------
    text
        What ``Booster.model_to_string()`` returns or ``save_model`` writes.
    names
        Names for the features, if others than those in the text.

    Raises
    ------
    BundleError
        If it is not such a model, or is of a kind that is not served (several classes, linear leaves).
    """
    head, *blocks = text.split("\nTree=")
    if not head.startswith("tree\n"):
        msg = "this is not the text of a LightGBM model"
        raise BundleError(msg)
    header = _pairs(head)
    if header.get("num_tree_per_iteration", "1") != "1":
        msg = "a LightGBM model with several outputs cannot be served"
        raise BundleError(msg)
    own_names = header.get("feature_names", "").split()
    trees = [_guarded(_lightgbm_tree, block.split("\nend of trees")[0]) for block in blocks]
    divisor = float(max(len(trees), 1)) if "average_output" in head.splitlines() else 1.0
    return _assemble(_names(own_names, names), trees, base=0.0, divisor=divisor, flush=True)


def from_xgboost(text: str | bytes | bytearray, names: Sequence[str] | None = None) -> Forest:
    """Read an XGBoost tree model with one output.

    Parameters
    ----------
    text
        What ``Booster.save_raw("json")`` returns or ``save_model("model.json")`` writes.
    names
        Names for the features, if others than those in the model.

    Raises
    ------
    BundleError
        If it is not such a model, or is of a kind that is not served (several outputs, linear boosters).
    """
    try:
        learner = json.loads(text)["learner"]
        parameters = learner["learner_model_param"]
        booster = learner["gradient_booster"]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"this is not the JSON of an XGBoost model: {error}"
        raise BundleError(msg) from error
    return _guarded(_xgboost_forest, (learner, parameters, booster, names))


def _guarded(read: Callable[[Source], Result], source: Source) -> Result:
    """Read, and turn whatever a broken text leads to into one sentence."""
    try:
        return read(source)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        msg = f"the model cannot be read: {type(error).__name__}: {error}"
        raise BundleError(msg) from error


def _pairs(block: str) -> dict[str, str]:
    """Return the ``key=value`` lines of a block."""
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _names(own: Sequence[str], given: Sequence[str] | None) -> tuple[str, ...]:
    if given is not None and len(given) != len(own):
        msg = f"the model reads {len(own)} features, but {len(given)} names were given"
        raise BundleError(msg)
    return tuple(own if given is None else given)


def _lightgbm_tree(block: str) -> _Tree:
    """Read one tree of the text; its number is the rest of the first line."""
    pairs = _pairs(block.split("\n", 1)[1])
    if pairs.get("is_linear", "0") != "0":
        msg = "a LightGBM model with linear leaves cannot be served"
        raise BundleError(msg)
    leaf_value = _floats(pairs["leaf_value"])
    if int(pairs["num_leaves"]) == 1:
        return _Tree([], [], [], [], [], leaf_value[:1], [1.0], [])
    decisions = _ints(pairs["decision_type"])
    sets = _lightgbm_sets(pairs, decisions) if int(pairs["num_cat"]) else []
    return _Tree(
        feature=_ints(pairs["split_feature"]),
        kind=[_lightgbm_kind(decision) for decision in decisions],
        threshold=_floats(pairs["threshold"]),
        left=_ints(pairs["left_child"]),
        right=_ints(pairs["right_child"]),
        leaf_value=leaf_value,
        leaf_cover=_floats(pairs["leaf_count"]),
        sets=sets,
    )


def _floats(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def _ints(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def _lightgbm_kind(decision: int) -> int:
    """Translate LightGBM's bits: 1 categories, 2 missing goes left, 4 zero is missing, 8 NaN is."""
    if decision & 1:
        return descent.SET_OUT
    missing, left = decision >> 2 & 3, bool(decision & 2)
    if missing == 0:
        return descent.NAN_ZERO
    if missing == 1:
        return descent.ZERO_LOW if left else descent.ZERO_HIGH
    return descent.NAN_LOW if left else descent.NAN_HIGH


def _lightgbm_sets(pairs: dict[str, str], decisions: Sequence[int]) -> list[tuple[int, Sequence[int]]]:
    """Return the categories that go left at each node that asks for categories."""
    borders = _ints(pairs["cat_boundaries"])
    words = _ints(pairs["cat_threshold"])
    numbers = _floats(pairs["threshold"])
    result: list[tuple[int, Sequence[int]]] = []
    for node, decision in enumerate(decisions):
        if decision & 1:
            number = int(numbers[node])
            mine = words[borders[number] : borders[number + 1]]
            members = [32 * i + bit for i, word in enumerate(mine) for bit in range(32) if word >> bit & 1]
            result.append((node, members))
    return result


def _xgboost_forest(parts: tuple[Any, Any, Any, Sequence[str] | None]) -> Forest:
    learner, parameters, booster, names = parts
    weights = None
    if booster["name"] == "dart":
        weights = booster["weight_drop"]
        booster = booster["gbtree"]
    elif booster["name"] != "gbtree":
        msg = f"an XGBoost model of kind {booster['name']!r} cannot be served"
        raise BundleError(msg)
    if int(parameters["num_class"]) > 1 or int(parameters.get("num_target", "1")) > 1:
        msg = "an XGBoost model with several outputs cannot be served"
        raise BundleError(msg)
    trees = [_xgboost_tree(tree) for tree in booster["model"]["trees"]]
    if weights is not None:
        trees = [
            tree._replace(leaf_value=[value * weight for value in tree.leaf_value])
            for tree, weight in zip(trees, weights, strict=True)
        ]
    own_names = learner.get("feature_names") or [f"f{i}" for i in range(int(parameters["num_feature"]))]
    score = float(np.float32(json.loads(f"[{parameters['base_score'].strip('[]')}]")[0]))
    logistic = learner["objective"]["name"] in ("binary:logistic", "reg:logistic")
    base = math.log(score / (1.0 - score)) if logistic else score
    return _assemble(_names(own_names, names), trees, base=base, divisor=1.0, flush=False)


def _xgboost_tree(tree: dict[str, Any]) -> _Tree:
    """Read one tree of the JSON, nodes renumbered from the root on, parents first."""
    left, right, values = tree["left_children"], tree["right_children"], tree["split_conditions"]
    if int(tree["tree_param"].get("size_leaf_vector", "1")) > 1:
        msg = "an XGBoost model with vector leaves cannot be served"
        raise BundleError(msg)
    nodes, leaves = _order(left, right)
    place = {node: i for i, node in enumerate(nodes)} | {leaf: -i - 1 for i, leaf in enumerate(leaves)}
    members = _xgboost_sets(tree)
    kinds, thresholds, sets = [], [], []
    children: tuple[list[int], list[int]] = ([], [])
    for i, node in enumerate(nodes):
        missing_left = bool(tree["default_left"][node])
        one, other = place[left[node]], place[right[node]]
        if node in members:
            # XGBoost sends the listed categories right, a Forest sends them left
            one, other = other, one
            kinds.append(descent.SET_OUT if missing_left else descent.SET_IN)
            thresholds.append(0.0)
            sets.append((i, members[node]))
        else:
            kinds.append(descent.NAN_LOW if missing_left else descent.NAN_HIGH)
            thresholds.append(below_float32(values[node]))
        children[0].append(one)
        children[1].append(other)
    return _Tree(
        feature=[tree["split_indices"][node] for node in nodes],
        kind=kinds,
        threshold=thresholds,
        left=children[0],
        right=children[1],
        leaf_value=[float(np.float32(values[leaf])) for leaf in leaves],
        leaf_cover=[float(tree["sum_hessian"][leaf]) for leaf in leaves],
        sets=sets,
    )


def _order(left: Sequence[int], right: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return nodes and leaves that can be reached from the root, level by level."""
    nodes, leaves, level = [], [], [0]
    for _ in range(len(left)):
        inner = [node for node in level if left[node] != -1]
        leaves += [node for node in level if left[node] == -1]
        nodes += inner
        level = [child for node in inner for child in (left[node], right[node])]
        if not level:
            return nodes, leaves
    msg = "the children of a tree run in a circle"
    raise ValueError(msg)


def _xgboost_sets(tree: dict[str, Any]) -> dict[int, list[int]]:
    """Return the listed categories of each node that asks for categories."""
    result = {}
    for node, start, size in zip(
        tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True
    ):
        result[node] = [int(category) for category in tree["categories"][start : start + size]]
    return result


def below_float32(threshold: float) -> float:
    """Return the largest double that is below a float32 threshold once it is rounded to float32.

    XGBoost rounds a value to float32 and asks whether it is less than the threshold. Asking whether the value
    itself is at most this double gives the same answer for every double.

    Examples
    --------
    Doubles up to halfway between 1 and its float32 neighbour below are rounded down; halfway itself is
    rounded to the even one, which is 1:

    >>> below_float32(1.0) < 1.0 - 2.0**-25 < 1.0
    True
    >>> below_float32(1.0) == float(np.nextafter(1.0 - 2.0**-25, 0))
    True
    """
    limit = np.float32(threshold)
    if limit == np.inf:
        return float(np.nextafter(_OVERFLOW, 0.0))
    if limit == -_FLOAT32_MAX:
        return -_OVERFLOW
    below = np.nextafter(limit, np.float32(-np.inf))
    middle = (float(below) + float(limit)) / 2
    return float(np.nextafter(middle, -np.inf)) if np.float32(middle) == limit else middle


def _assemble(names: tuple[str, ...], trees: Sequence[_Tree], *, base: float, divisor: float, flush: bool) -> Forest:
    """Join trees into the flat arrays of a `Forest`; sets are numbered through."""
    threshold: FloatArray = np.array([x for tree in trees for x in tree.threshold], dtype=np.float64)
    node_start = _starts([len(tree.feature) for tree in trees])
    members = [(node_start[t] + node, values) for t, tree in enumerate(trees) for node, values in tree.sets]
    for number, (node, _) in enumerate(members):
        threshold[node] = number

    def joined(field: str, dtype: type[np.generic]) -> AnyArray:
        return np.array([x for tree in trees for x in getattr(tree, field)], dtype=dtype)

    return Forest(
        names=names,
        node_start=node_start,
        leaf_start=_starts([len(tree.leaf_value) for tree in trees]),
        feature=joined("feature", np.int32),
        kind=joined("kind", np.uint8),
        threshold=threshold,
        left=joined("left", np.int32),
        right=joined("right", np.int32),
        leaf_value=joined("leaf_value", np.float64),
        leaf_cover=joined("leaf_cover", np.float64),
        set_start=_starts([len(values) for _, values in members]),
        set_values=np.array([x for _, values in members for x in values], dtype=np.int64),
        base=base,
        divisor=divisor,
        flush=flush,
    )


def _starts(sizes: Sequence[int]) -> AnyArray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

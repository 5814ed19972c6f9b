"""A forest as an ONNX TreeEnsemble, for the peer that evaluates it."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjudge.errors import UnavailableError
from adjudge.models import descent
from adjudge.models.forest import Forest


def session(forest: Forest) -> Any:
    """Return an ONNX Runtime session on one thread that gives the forest's margins.

    Raises
    ------
    UnavailableError
        If onnx or onnxruntime is not installed, or the forest splits by sets of categories.
    """
    try:
        import onnxruntime
    except ImportError as error:
        message = "ONNX Runtime is the peer of this benchmark: install the extra 'bench'"
        raise UnavailableError(message) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(_model(forest).SerializeToString(), options, ["CPUExecutionProvider"])


def _model(forest: Forest) -> Any:
    try:
        from onnx import TensorProto, helper
    except ImportError as error:
        message = "the package onnx writes the peer's model: install the extra 'bench'"
        raise UnavailableError(message) from error
    if (forest.kind > descent.NAN_HIGH).any():
        message = "this benchmark's peer is given forests with plain splits only"
        raise UnavailableError(message)
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["margin"],
        domain="ai.onnx.ml",
        n_targets=1,
        base_values=[float(forest.base)],
        **_attributes(forest),
    )
    graph = helper.make_graph(
        [node],
        "forest",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, len(forest.names)])],
        [helper.make_tensor_value_info("margin", TensorProto.FLOAT, [None, 1])],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 15)], ir_version=8
    )


def _attributes(forest: Forest) -> dict[str, Any]:
    """Return the operator's attributes: nodes, then leaves, numbered tree by tree."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("tree", "node", "feature", "value", "mode", "yes", "no", "missing")
    }
    leaves: dict[str, list[Any]] = {name: [] for name in ("tree", "node", "weight")}
    for tree in range(forest.trees):
        first, last = int(forest.node_start[tree]), int(forest.node_start[tree + 1])
        inner = last - first

        def place(child: int, inner: int = inner) -> int:
            return child if child >= 0 else inner - child - 1

        for i in range(first, last):
            row = (
                tree,
                i - first,
                int(forest.feature[i]),
                float(np.float32(forest.threshold[i])),
                "BRANCH_LEQ",
                place(int(forest.left[i])),
                place(int(forest.right[i])),
                int(forest.kind[i] == descent.NAN_LOW),
            )
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
        for leaf in range(int(forest.leaf_start[tree]), int(forest.leaf_start[tree + 1])):
            number = inner + leaf - int(forest.leaf_start[tree])
            for column, value in zip(columns.values(), (tree, number, 0, 0.0, "LEAF", 0, 0, 0), strict=True):
                column.append(value)
            for column, value in zip(leaves.values(), (tree, number, float(forest.leaf_value[leaf])), strict=True):
                column.append(value)
    return {
        "nodes_treeids": columns["tree"],
        "nodes_nodeids": columns["node"],
        "nodes_featureids": columns["feature"],
        "nodes_values": columns["value"],
        "nodes_modes": columns["mode"],
        "nodes_truenodeids": columns["yes"],
        "nodes_falsenodeids": columns["no"],
        "nodes_missing_value_tracks_true": columns["missing"],
        "target_treeids": leaves["tree"],
        "target_nodeids": leaves["node"],
        "target_ids": [0] * len(leaves["node"]),
        "target_weights": leaves["weight"],
    }

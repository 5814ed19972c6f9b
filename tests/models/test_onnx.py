"""ONNX models from elsewhere: run as they are, calibrated, explained, saved without pickle, in any batch alike."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.metrics import roc_auc_score

from adjudge.errors import BundleError, DefinitionError, UnavailableError
from adjudge.models.calibrate import Platt
from adjudge.models.fromonnx import FromOnnx
from adjudge.models.onnx import Onnx, Session
from adjudge.models.scorers import ModelScorer
from adjudge.models.served import check_invariance, load, save
from adjudge.typing import AnyArray, FloatArray

from .rows import Rows

FEATURES = 8


def weights(dtype: type[np.generic], seed: int = 0) -> list[tuple[FloatArray, FloatArray]]:
    """Draw the kernels and biases of three dense layers, the first of which looks for what `rows.draw` hides."""
    random = np.random.default_rng(seed)
    shapes = [(FEATURES, 16), (16, 8), (8, 1)]
    layers = [(random.normal(size=s) / np.sqrt(s[0]), random.normal(size=s[1]) * 0.1) for s in shapes]
    layers[0][0][0] = np.abs(layers[0][0][0])
    layers[1] = (np.abs(layers[1][0]), layers[1][1])
    layers[2] = (np.abs(layers[2][0]), layers[2][1])
    return [(kernel.astype(dtype), bias.astype(dtype)) for kernel, bias in layers]


def keras_like(path: Path, dtype: type[np.generic] = np.float32, *, last: str = "Sigmoid") -> Path:
    """Write what tf2onnx makes of three dense layers: MatMul, Add, Relu under Keras' names, named input and output."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    initial, nodes, current = [], [], "transactions"
    for i, (kernel, bias) in enumerate(weights(dtype)):
        layer = f"sequential/dense_{i}"
        initial += [numpy_helper.from_array(kernel, f"{layer}/MatMul/ReadVariableOp:0")]
        initial += [numpy_helper.from_array(bias, f"{layer}/BiasAdd/ReadVariableOp:0")]
        nodes.append(helper.make_node("MatMul", [current, initial[-2].name], [f"{layer}/MatMul:0"]))
        nodes.append(helper.make_node("Add", [f"{layer}/MatMul:0", initial[-1].name], [f"{layer}/BiasAdd:0"]))
        current = f"{layer}/out" if i < 2 else "fraud"
        nodes.append(helper.make_node("Relu" if i < 2 else last, [f"{layer}/BiasAdd:0"], [current]))
    graph = helper.make_graph(
        nodes,
        "tf2onnx",
        [helper.make_tensor_value_info("transactions", kind, ["unk__12", FEATURES])],
        [helper.make_tensor_value_info("fraud", kind, ["unk__13", 1])],
        initial,
    )
    return written(path, graph)


def written(path: Path, graph: Any, opsets: Sequence[tuple[str, int]] = (("", 15),)) -> Path:
    sets = [helper.make_opsetid(domain, version) for domain, version in opsets]
    path.write_bytes(helper.make_model(graph, opset_imports=sets, ir_version=8).SerializeToString())
    return path


def expected(X: FloatArray, dtype: type[np.generic] = np.float32) -> FloatArray:
    """Return the margins that numpy finds with the same layers."""
    layers = weights(dtype)
    hidden: AnyArray = X.astype(dtype)
    for kernel, bias in layers[:-1]:
        hidden = np.maximum(hidden @ kernel + bias, 0)
    return (hidden @ layers[-1][0] + layers[-1][1])[:, 0].astype(np.float64)


def filled(rows: Rows, train: Rows) -> FloatArray:
    return np.where(np.isnan(rows.X), np.nanmedian(train.X, axis=0), rows.X)


def test_an_export_of_keras_is_served_calibrated_and_saved(train: Rows, later: Rows, tmp_path: Path) -> None:
    model = FromOnnx(keras_like(tmp_path / "model.onnx")).fit(train.X, train.y, validation=(later.X, later.y))
    p = Platt().apply(model.decision_function(later.X))
    np.testing.assert_allclose(p, Platt().apply(expected(filled(later, train))), atol=1e-6)
    assert roc_auc_score(later.y, model.decision_function(later.X)) > 0.55
    assert model.predict_proba(later.X)[:, 1].mean() == pytest.approx(later.y.mean(), abs=0.02)
    scorer = model.served()
    scores = scorer.score(later.slots, later.places)
    few = np.ascontiguousarray(later.slots[:, :200])
    assert check_invariance(scorer, few, later.places) > 0
    save(scorer, tmp_path)
    (tmp_path / "model.onnx").unlink()
    again = load(tmp_path, bytes(16))
    assert again.version == scorer.version
    assert np.array_equal(again.score(later.slots, later.places).p, scores.p)


def test_contributions_add_up_and_are_what_a_feature_alone_moves(train: Rows, later: Rows, tmp_path: Path) -> None:
    model = FromOnnx(keras_like(tmp_path / "model.onnx", np.float64)).fit(train.X).model_
    assert isinstance(model, Onnx)
    medians = np.nanmedian(train.X, axis=0)
    every = model.contributions(later.slots, later.places)
    raw = model.raw(later.slots, later.places, 3)
    np.testing.assert_allclose(every.sum(axis=1) + model.bias, raw.margin, atol=1e-12)
    assert model.bias == pytest.approx(float(expected(medians[None, :], np.float64)[0]))
    assert np.array_equal(raw.top[:, 0], np.where(every.max(axis=1) > 0, every.argmax(axis=1), -1))
    one = np.tile(medians, (1, 1))
    one[0, 0] += 2.0
    alone = model.contributions(np.ascontiguousarray(one.T), later.places)[0]
    assert alone[0] == pytest.approx(raw_margin(model, one) - model.bias)
    np.testing.assert_allclose(alone[1:], 0.0, atol=1e-12)
    still = model.contributions(np.ascontiguousarray(medians[:, None]), later.places)
    np.testing.assert_allclose(still, 0.0, atol=1e-12)


def raw_margin(model: Onnx, X: FloatArray) -> float:
    return float(model.raw(np.ascontiguousarray(X.T), np.arange(X.shape[1]), 0).margin[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_the_same_in_any_batch(dtype: type[np.generic], train: Rows, later: Rows, tmp_path: Path) -> None:
    """Whichever way the runtime multiplies: what would depend on its neighbours is run row by row."""
    model = FromOnnx(keras_like(tmp_path / "model.onnx", dtype), top=0).fit(train.X)
    assert check_invariance(model.served(), later.slots, later.places) > 0


def test_row_by_row_gives_what_all_at_once_gives(train: Rows, later: Rows, tmp_path: Path) -> None:
    model = FromOnnx(keras_like(tmp_path / "model.onnx")).fit(train.X).model_
    assert isinstance(model, Onnx)
    single = dataclasses.replace(model, single=True)
    few = np.ascontiguousarray(later.slots[:, :50])
    one, all_ = (m.raw(few, later.places, 0).margin for m in (single, model))
    np.testing.assert_allclose(one, all_, rtol=1e-5)


def test_a_model_whose_rows_see_each_other_is_run_row_by_row(train: Rows, later: Rows, tmp_path: Path) -> None:
    """One that subtracts the mean of the batch cannot be served in batches."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["y"]),
        helper.make_node("ReduceSum", ["y", "axes"], ["sum"], keepdims=0),
        helper.make_node("Sigmoid", ["sum"], ["p"]),
    ]
    graph = helper.make_graph(
        nodes,
        "batch",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", FEATURES])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.array([1]), "axes")],
    )
    model = FromOnnx(written(tmp_path / "batch.onnx", graph)).fit(train.X).model_
    assert isinstance(model, Onnx)
    assert model.single
    assert np.all(model.raw(later.slots, later.places, 0).margin == 0.0)


def test_a_forest_with_missing_values_and_two_columns(train: Rows, later: Rows, tmp_path: Path) -> None:
    """As scikit-learn's exporters write classifiers: trees that read NaN, a label and probabilities of both classes."""
    forest = helper.make_node(
        "TreeEnsembleClassifier",
        ["x"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_values=[0.5, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        nodes_missing_value_tracks_true=[0, 0, 0],
        nodes_hitrates=[1.0, 1.0, 1.0],
        class_treeids=[0, 0, 0, 0],
        class_nodeids=[1, 1, 2, 2],
        class_ids=[0, 1, 0, 1],
        class_weights=[0.75, 0.25, 0.125, 0.875],
        classlabels_int64s=[0, 1],
        post_transform="NONE",
    )
    graph = helper.make_graph(
        [forest],
        "forest",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]),
        ],
    )
    path = written(tmp_path / "forest.onnx", graph, [("", 15), ("ai.onnx.ml", 3)])
    names = [f"n{i}" for i in range(FEATURES)]
    model = FromOnnx(path, inputs=("n3",), output="probabilities", fill=False)
    p = model.fit(train.X, train.y, names=names).predict_proba(later.X)[:, 1]
    np.testing.assert_allclose(p, np.where(later.X[:, 3] <= 0.5, 0.25, 0.875), atol=1e-6)
    assert np.isnan(later.X[:, 3]).any()
    every, _ = model.served().contributions(later.slots, later.places)
    assert np.flatnonzero(np.abs(every).max(axis=0)).tolist() == [3]
    with pytest.raises(DefinitionError, match="no feature 'm3'"):
        FromOnnx(path, inputs=("m3",), output="probabilities").fit(train.X, names=names)
    with pytest.raises(BundleError, match="no output None, but label, probabilities"):
        FromOnnx(path, inputs=("n3",)).fit(train.X, names=names)


def test_a_margin_is_taken_at_its_word(train: Rows, later: Rows, tmp_path: Path) -> None:
    path = keras_like(tmp_path / "model.onnx", np.float64, last="Identity")
    model = FromOnnx(path, gives="margin", calibration=None).fit(train.X)
    margin = model.decision_function(later.X)
    np.testing.assert_allclose(margin, expected(filled(later, train), np.float64), atol=1e-12)
    np.testing.assert_array_equal(model.predict_proba(later.X)[:, 1], Platt().apply(margin))


def test_what_is_no_such_model_is_refused(train: Rows, tmp_path: Path) -> None:
    path = keras_like(tmp_path / "model.onnx")
    with pytest.raises(BundleError, match="reads 8 columns, and 3 features"):
        FromOnnx(path).fit(train.X[:, :3])
    with pytest.raises(BundleError, match="cannot be read"):
        Session(b"not a model", 3, None)
    good = FromOnnx(path).fit(train.X).model_
    assert isinstance(good, Onnx)
    changes: list[dict[str, Any]] = [
        {"gives": "both"},
        {"reference": np.full(FEATURES, np.nan)},
        {"columns": np.zeros(FEATURES, dtype=np.int64)},
        {"columns": np.arange(FEATURES) + 1},
        {"model": np.empty(0, dtype=np.uint8)},
    ]
    for change in changes:
        with pytest.raises(BundleError, match="finite reference"):
            dataclasses.replace(good, **change)


def one_layer(path: Path, batch: int | str, *, last: str = "Sigmoid", kind: int = TensorProto.FLOAT) -> Path:
    """Write a model that adds the features up, for batches of one size where `batch` is a number."""
    nodes = [
        helper.make_node("MatMul", ["x", "ones"], ["sum"]),
        helper.make_node(last, ["sum"], ["y"]),
        helper.make_node("Cast", ["y"], ["p"], to=kind),
    ]
    graph = helper.make_graph(
        nodes,
        "one layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, FEATURES])],
        [helper.make_tensor_value_info("p", kind, [batch, 1])],
        [numpy_helper.from_array(np.ones((FEATURES, 1), np.float32), "ones")],
    )
    return written(path, graph)


def test_a_model_for_one_row_at_a_time_is_run_so(train: Rows, later: Rows, tmp_path: Path) -> None:
    """Exports with a fixed batch of one are common; other fixed sizes cannot be served."""
    one, any_ = (FromOnnx(one_layer(tmp_path / f"{b}.onnx", b)).fit(train.X[:300]).model_ for b in (1, "n"))
    assert isinstance(one, Onnx)
    assert one.single
    few = np.ascontiguousarray(later.slots[:, :50])
    np.testing.assert_allclose(
        one.raw(few, later.places, 0).margin, any_.raw(few, later.places, 0).margin, rtol=1e-5
    )  # fmt: skip
    with pytest.raises(BundleError, match="does not run on"):
        FromOnnx(one_layer(tmp_path / "16.onnx", 16)).fit(train.X[:300])


def test_what_comes_out_must_be_what_was_said(train: Rows, tmp_path: Path) -> None:
    """Log-odds taken for a probability would be cut off at 0 and 1, and look like a very sure model."""
    sums = one_layer(tmp_path / "sums.onnx", "n", last="Identity")
    with pytest.raises(BundleError, match=r"no probability: it goes from -.*gives='margin'"):
        FromOnnx(sums).fit(train.X)
    FromOnnx(sums, gives="margin").fit(train.X)
    with pytest.raises(BundleError, match=r"no number for \d+ of .*fill=True"):
        FromOnnx(sums, gives="margin", fill=False).fit(train.X)
    with pytest.raises(BundleError, match=r"must be a tensor of floats or doubles, not tensor\(int64\)"):
        FromOnnx(one_layer(tmp_path / "whole.onnx", "n", kind=TensorProto.INT64)).fit(train.X)
    with pytest.raises(BundleError, match="cannot be read: No such file"):
        FromOnnx(tmp_path / "none.onnx").fit(train.X)


def test_a_model_that_tosses_coins_is_refused(train: Rows, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("RandomNormalLike", ["x"], ["noise"], dtype=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "noise"], ["y"]),
        helper.make_node("ReduceSum", ["y", "axes"], ["sum"], keepdims=0),
        helper.make_node("Sigmoid", ["sum"], ["p"]),
    ]
    graph = helper.make_graph(
        nodes,
        "coins",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", FEATURES])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.array([1]), "axes")],
    )
    with pytest.raises(BundleError, match="changes with its neighbours"):
        FromOnnx(written(tmp_path / "coins.onnx", graph)).fit(train.X[:50])


def test_weights_outside_of_the_model_are_never_read(
    train: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even beside it or where the process runs: what a bundle decides with is in its hash."""
    import onnx

    model = onnx.load(one_layer(tmp_path / "whole.onnx", "n"))
    onnx.save_model(
        model, tmp_path / "split.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    assert (tmp_path / "weights.bin").exists()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="External data path"):
        FromOnnx(tmp_path / "split.onnx").fit(train.X)


def test_without_the_runtime_the_extra_is_named(
    train: Rows, later: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = ModelScorer(FromOnnx(keras_like(tmp_path / "model.onnx")).fit(train.X).model_)
    save(scorer, tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    again = load(tmp_path, bytes(16))
    with pytest.raises(UnavailableError, match="extra 'onnx'"):
        again.score(later.slots, later.places)

"""How far fraud can be seen: in no single field, well in behaviour, and never beyond the stated ceiling."""

from __future__ import annotations

from functools import cache

import lightgbm
import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from adjudge.typing import AnyArray, FloatArray
from tests.systems.payments.simulated import told, world

CEILING = 0.92
"""Average precision on the truth that no model reaches, since an eighth of the fraud looks legitimate."""

FIELDS = [name for name in world().payments.columns if name not in ("payment_id", "at")]


@cache
def _cut() -> int:
    return int(0.65 * told().height)


def _learned(name: str) -> FloatArray:
    """Return, for the later part, the fraud rate that each text had in the earlier part; 0 for a new one.

    That a text is new is not in the field but in history, so new ones rank with the clean.
    """
    early, late = told()[: _cut()], told()[_cut() :]
    rates = early.group_by(name).agg(rate=pl.col("fraud").sum() / (pl.len() + 20))
    joined = late.select(name).join(rates, on=name, how="left", nulls_equal=True, maintain_order="left")
    return joined["rate"].fill_null(0.0).to_numpy()


@pytest.mark.parametrize("name", FIELDS)
def test_no_single_field_separates_fraud(name: str) -> None:
    truth = told()["fraud"].to_numpy()[_cut() :]
    column = told()[name]
    if column.dtype == pl.String:
        scores = [_learned(name)]
    else:
        values = column.cast(pl.Float64)[_cut() :]
        scores = [sign * values.fill_null(missing).to_numpy() for sign in (1, -1) for missing in (-1e6, 1e6)]
    assert max(float(roc_auc_score(truth, score)) for score in scores) < 0.8
    assert max(float(average_precision_score(truth, score)) for score in scores) < 0.2


def test_identifiers_say_nothing() -> None:
    truth = told()["fraud"].to_numpy()
    digits = told()["payment_id"].str.slice(1).cast(pl.Int64).to_numpy()
    for modulus in (2, 7, 10, 100):
        assert 0.46 < roc_auc_score(truth, digits % modulus) < 0.54
    assert 0.46 < roc_auc_score(truth, digits) < 0.54


def _known_kinds(seed: int) -> float:
    """Return the average precision of a judge who knows all fraud but that which looks legitimate."""
    late = told()[_cut() :]
    seen = late["fraud"].to_numpy() & ~late["looks_legitimate"].to_numpy()
    rest = np.random.default_rng(seed).random(late.height) / 2
    return float(average_precision_score(late["fraud"].to_numpy(), seen + rest))


def test_ceiling_is_that_of_a_judge_who_knows_all_other_fraud() -> None:
    assert np.mean([_known_kinds(seed) for seed in range(5)]) < CEILING


SPANS = (
    ("user", "1h"), ("user", "1d"), ("user", "7d"), ("card", "1h"), ("device", "1d"), ("address", "7d"),
    ("merchant", "1d"),
)  # fmt: skip
"""Keys and windows over which payments are counted and added up."""


def _present(name: str, value: pl.Expr) -> pl.Expr:
    return pl.when(pl.col(name).is_not_null()).then(value).cast(pl.Float64)


def _step(name: str) -> pl.Expr:
    return (pl.col(name) - pl.col(name).shift(1).over("user")).abs()


def _behaviour() -> AnyArray:
    """Return some features of behaviour, none of which uses a label."""
    rows = told().with_columns(one=pl.lit(1.0), log=pl.col("eur").log1p())
    counts = {
        f"{key}_{value}_{span}": _present(key, pl.col(value).rolling_sum_by("at", span).over(key))
        for key, span in SPANS
        for value in ("one", "eur")
    }
    fresh = {
        f"new_{name}": _present(name, pl.struct("user", name).is_first_distinct())
        for name in ("device", "merchant", "address")
    }
    mean = (pl.col("log").cum_sum() - pl.col("log")) / (pl.col("one").cum_sum() - 1)
    people = pl.struct("device", "user").is_first_distinct().cast(pl.Float64).cum_sum().over("device")
    features = rows.select(
        amount="log",
        shift=pl.col("log") - mean.over("user"),
        gap=pl.col("at").diff().over("user").dt.total_seconds(),
        users_of_device=_present("device", people),
        moved=_step("lat") + _step("lon"),
        abroad=pl.col("ip_country") != pl.col("card_country"),
        pace=pl.col("typing_speed") / pl.col("typing_speed").shift(1).over("user"),
        proxy="proxy",
        hour=pl.col("local").dt.hour(),
        **counts,
        **fresh,
    )
    return features.select(pl.all().cast(pl.Float64)).to_numpy()


def test_behaviour_shows_most_fraud_and_no_model_passes_the_ceiling() -> None:
    x = _behaviour()
    reported = world().labels.filter("fraud")["payment_id"].implode()
    label = told()["payment_id"].is_in(reported).to_numpy()
    truth = told()["fraud"].to_numpy()[_cut() :]
    settings = {
        "objective": "binary", "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 40,
        "num_threads": 1,
        "verbosity": -1, "seed": 1,
    }  # fmt: skip
    model = lightgbm.train(settings, lightgbm.Dataset(x[: _cut()], label[: _cut()]), num_boost_round=60)
    score = np.asarray(model.predict(x[_cut() :], num_threads=1))
    precision = float(average_precision_score(truth, score))
    assert 0.45 < precision < CEILING
    top = np.argsort(-score)[: int(truth.sum()) // 2]
    assert truth[top].mean() > 0.7
    quiet = told()["looks_legitimate"].to_numpy()[_cut() :]
    assert roc_auc_score(quiet[quiet | ~truth], score[quiet | ~truth]) < 0.75

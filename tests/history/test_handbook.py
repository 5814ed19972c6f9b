"""A second oracle: the 14 features that the Fraud Detection Handbook's authors published, from the raw transactions.

Their windows include the transaction itself; those of a terminal end 7 days before it, when its labels are known.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adjudge.history import ADVANCE, LABEL, Aggregation, Histories, Layout, Measure
from adjudge.typing import AnyArray, FloatArray, IntArray
from tests.history.scenarios import DAY

WINDOWS = (1, 7, 30)
DELAY = 7 * DAY


def customers(keys: AnyArray, ts: IntArray, amount: FloatArray) -> FloatArray:
    """Return count and mean amount over each window, the transaction included."""
    asked = [Aggregation(op, 0, window_us=days * DAY, including=True) for days in WINDOWS for op in ("count", "mean")]
    histories = Histories(Layout([Measure("amount", scale=100.0)], asked))
    out = np.empty((len(asked), len(keys)))
    cents = np.round(amount * 100.0)[None]
    histories.fold(np.full(len(keys), ADVANCE, np.int8), keys, ts, np.arange(len(keys)), cents, out)
    return out


def terminals(keys: AnyArray, ts: IntArray, fraud: AnyArray) -> FloatArray:
    """Return count and share of frauds over each delayed window, every fraud being labelled 7 days after it."""
    asked = [
        a
        for days in WINDOWS
        for a in (
            Aggregation("count", window_us=days * DAY, delay_us=DELAY),
            Aggregation("rate", 0, window_us=days * DAY, delay_us=DELAY),
        )
    ]
    n = len(keys)
    late = np.flatnonzero(fraud)
    # In the order of the log: labels before payments of the same moment.
    moment = np.concatenate([ts[late] + DELAY, ts])
    order = np.lexsort((np.concatenate([np.zeros(len(late)), np.ones(n)]), moment))
    entry = np.concatenate([late, np.arange(n)])[order]
    labels = order < len(late)
    kind = np.where(labels, LABEL, ADVANCE).astype(np.int8)
    values = np.full((3, len(order)), np.nan)
    values[0, labels], values[2, labels] = 0.0, 1.0
    out = np.empty((len(asked), len(order)))
    histories = Histories(Layout([Measure("fraud", "label")], asked))
    histories.fold(kind, keys[entry], ts[entry], entry, values, out)
    return out[:, ~labels]


@pytest.mark.slow
def test_the_published_features_are_reproduced_from_the_raw_transactions(data_folder: Path) -> None:
    folder = data_folder / "fraud" / "fdh_simulated"
    published = pl.read_parquet(folder / "features_2018-06-11_2018-09-14.parquet")
    # Now and then one customer has two transactions in a second. In which order the authors' sort left them can be
    # seen from their counts only: the second of the two counts one more.
    order = published.select("TRANSACTION_ID", order="CUSTOMER_ID_NB_TX_1DAY_WINDOW")
    raw = pl.read_parquet(folder / "transactions.parquet").join(order, on="TRANSACTION_ID", how="left")
    raw = raw.sort("TX_DATETIME", "order", "TRANSACTION_ID")
    ts = raw["TX_DATETIME"].dt.epoch("us").to_numpy()
    by_customer = customers(raw["CUSTOMER_ID"].to_numpy().astype(np.uint64) + 1, ts, raw["TX_AMOUNT"].to_numpy())
    by_terminal = terminals(raw["TERMINAL_ID"].to_numpy().astype(np.uint64) + 1, ts, raw["TX_FRAUD"].to_numpy())
    when = raw["TX_DATETIME"]
    ours = {
        "TX_DURING_WEEKEND": (when.dt.weekday() >= 6).to_numpy(),
        "TX_DURING_NIGHT": (when.dt.hour() <= 6).to_numpy(),
    }
    for k, days in enumerate(WINDOWS):
        ours[f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"] = by_customer[2 * k]
        ours[f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW"] = by_customer[2 * k + 1]
        ours[f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW"] = by_terminal[2 * k]
        # They put 0 where no transaction is old enough to have a rate.
        ours[f"TERMINAL_ID_RISK_{days}DAY_WINDOW"] = np.nan_to_num(by_terminal[2 * k + 1], nan=0.0)
    position = raw.select("TRANSACTION_ID").with_row_index("position")
    at = published.join(position, on="TRANSACTION_ID", how="left", maintain_order="left")["position"].to_numpy()
    assert len(at) == 919_767
    assert set(ours) == set(published.columns) - {"TRANSACTION_ID", "TX_TIME_DAYS"}
    for name, column in ours.items():
        np.testing.assert_allclose(
            column[at].astype(np.float64), published[name].to_numpy(), rtol=1e-9, atol=1e-12, err_msg=name
        )

"""Case study: rules with a confidence each, and 500 trees: above 0.9 declined, above 0.5 reviewed.

A made-up world of payments is folded through the engine, the trees are trained on the first part of it,
and the last part is decided as if it came in now, the labels of the past arriving at their own time.

Run it: ``python examples/02_rules_and_trees.py``
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl

from adjudge.define import Label, Policy, Rules, System, days, feature, hours
from adjudge.engine import compile
from adjudge.learn.backfill import backfill
from adjudge.learn.split import split_by_share
from adjudge.models.trees import Trees
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import Payment
from adjudge.systems.payments.simulate import simulate

RULES = Rules.load("""
version: 1
rules:
- {id: amount_anomalous, when: amount_zscore > 10, action: decline, confidence: 0.99, priority: 1,
   reason: "{amount:.2f} is {amount_zscore:.1f} deviations above the usual {user_amount_mean_30d:.2f}."}
- {id: travel_impossible, when: user_place_speed_kmh > 800, action: decline, confidence: 0.95, priority: 2,
   reason: "{user_place_speed_kmh:.0f} km/h since the payment before."}
- {id: too_fast, when: user_count_1h > 10, action: decline, confidence: 0.90, priority: 3,
   reason: "{user_count_1h} payments within an hour."}
- {id: device_risky, when: device_fraud_rate_30d > 0.5, action: decline, confidence: 0.85, priority: 4,
   reason: "{device_fraud_rate_30d:.0%} of this device's payments were fraud."}
- {id: merchant_risky, when: merchant_fraud_rate_30d > 0.3, action: decline, confidence: 0.75, priority: 5,
   reason: "{merchant_fraud_rate_30d:.0%} of this merchant's payments were fraud."}
""")

# patience=0: all 500 trees, none left out by early stopping
TREES = Trees("xgboost", n_trees=500, depth=6, rate=0.05, subsample=0.8, columns=0.8, patience=0)
TREES.set_params(calibration="platt", threads=1)

user, device, merchant = Payment.by("user"), Payment.by("device"), Payment.by("merchant")

SYSTEM = System(
    name="payments_a",
    decides=Payment,
    label=Label("fraud", delay=days(7)),
    features=[
        user.count(hours(1), hours(24)),
        user.mean("amount", days(30)),
        user.std("amount", days(30)),
        feature("amount_zscore", "(amount - user_amount_mean_30d) / user_amount_std_30d"),
        user.speed("place"),
        user.since_last(),
        Payment.by("user", "device").is_new(),
        device.rate("fraud", days(30)),
        merchant.rate("fraud", days(30)),
        feature("amount_log", "log1p(amount)"),
        feature("hour_of_day", "hour(at)"),
    ],
    rules=RULES,
    policy=Policy(actions=("approve", "review", "decline"), thresholds={"review": 0.5, "decline": 0.9}),
    inputs=[
        *(
            "user_count_1h",
            "user_count_1d",
            "user_since_last_s",
            "user_device_is_new",
            "user_place_speed_kmh",
        ),
        *("amount_log", "amount_zscore", "hour_of_day", "device_fraud_rate_30d", "merchant_fraud_rate_30d"),
    ],
    model=TREES,
    amount="amount",
)


def main() -> None:
    """Train on the past, decide the last part, and print what rules and trees did."""
    world = of_world(simulate(40_000, days=90, fraud_share=0.05))  # far more fraud than in life, for so small a world
    payments, labels = world.frames["payment"], world.labels["fraud"]
    table = backfill(compile(SYSTEM), {"payment": payments}, {"fraud": labels}).table

    split = split_by_share(int(table.ts[0]), int(table.ts[-1]) + 1, gap_us=7 * 86_400_000_000)
    parts = split.parts(table)
    later = parts.validation if parts.validation is not None else parts.train
    TREES.fit(parts.train.matrix(), parts.train.label, names=table.names, validation=(later.matrix(), later.label))

    plan = compile(SYSTEM, scorer=TREES.served())
    now = pl.lit(split.test.start).cast(pl.Datetime("us", "UTC"))
    past, coming = payments.filter(pl.col("at") < now), payments.filter(pl.col("at") >= now)
    known = labels.filter(pl.col("known_at") < now)
    history = backfill(plan, {"payment": past}, {"fraud": known})
    batch = plan.encode_frame("payment", coming, history.next_seq + np.arange(coming.height))
    decisions = plan.step(history.state, batch)
    if decisions is None or world.truth is None:
        return

    truth = coming.join(world.truth, on="payment_id", how="left", maintain_order="left")["fraud"].to_list()
    print(f"{len(decisions)} payments decided, {sum(truth)} of them fraud")
    for action, count in Counter(decisions.action).most_common():
        caught = sum(fraud for fraud, taken in zip(truth, decisions.action, strict=True) if taken == action)
        print(f"  {action:8} {count:6}   fraud among them {caught:4}")
    fired = Counter(rule for i in range(len(decisions)) for rule in decisions.rules(i))
    print("rules that fired:", dict(fired.most_common()))
    first = decisions.action.index("decline")
    print("the first to be declined:", *decisions.render(first), sep="\n  ")


if __name__ == "__main__":
    main()

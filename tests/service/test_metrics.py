"""Metrics: what is served is what the catalogue says, in the form that Prometheus reads, and it adds up."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from adjudge.log import LogUnavailableError, MemoryLog
from adjudge.log.protocol import Storage
from adjudge.service.decider import Decider
from adjudge.service.gauges import EVERY_S, Gauges
from adjudge.service.metrics import CATALOGUE, STANDBY, Family, Standing
from adjudge.service.outbox.ledger import FILE, Ledger, Owed
from adjudge.service.settings import Settings
from adjudge.service.stages import STAGES
from tests.service.shop import Shop, many_purchases, purchase, shop
from tests.service.test_decider import Moody
from tests.service.test_http import Client

HEALTHY = (
    "adjudge_failed_batches",
    "adjudge_degraded",
    "adjudge_decided_again",
    "adjudge_challenger_decisions",
    "adjudge_shadow_decisions",
    "adjudge_shadow_missed",
    "adjudge_shadow_seconds",
)
"""What a service in which nothing fails and nobody is challenged has nothing to say of."""


@pytest.fixture(scope="module")
def plan() -> Any:
    return shop()


def families(text: str) -> dict[str, Metric]:
    """Return what Prometheus' own parser reads."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(found: dict[str, Metric], name: str, **labels: str) -> float:
    """Return the one sample of a name with these labels."""
    samples = [s for family in found.values() for s in family.samples if s.name == name]
    (sample,) = [s for s in samples if labels.items() <= s.labels.items()]
    return sample.value


@pytest.mark.parametrize("family", [*CATALOGUE, *STANDBY], ids=lambda family: family.name)
def test_names_say_the_unit_and_texts_what_it_is(family: Family) -> None:
    """Prometheus' conventions: base units as the last word, and never the suffix that a counter gets by itself."""
    assert family.name.startswith("adjudge_")
    assert not family.name.endswith(("_total", "_ms", "_us", "_kb", "_count", "_sum", "_bucket"))
    assert len(family.meaning) > 10
    assert family.kind != "histogram" or family.name.endswith(("_seconds", "_size"))


def test_what_is_served_is_what_the_catalogue_says(plan: Any, tmp_path: Path) -> None:
    """Every family with its kind, help and labels, and no other; whole with nothing counted yet as well."""
    client = Client(Shop(plan))
    expected = {f.name: (f.kind, f.meaning) for f in CATALOGUE}
    for measured in (False, True):
        if measured:
            client.service.gauges.snapshots = tmp_path / "snapshots"
            with closing(Ledger(tmp_path / FILE)) as ledger:
                ledger.advance("bank", 3, [Owed("bank", 2, "shop", b"")])
            client.post("/v1/decide/many", many_purchases(50))
            client.service.gauges.refresh()
        found = families(client.get("/metrics").text)
        assert {name: (family.type, family.documentation) for name, family in found.items()} == expected
    assert value(found, "adjudge_outbox_owed", endpoint="bank") == 1
    for family in CATALOGUE:
        for sample in found[family.name].samples:
            assert set(sample.labels) - {"le"} == set(family.labels), sample
        assert found[family.name].samples or family.name in HEALTHY, family.name


def test_a_batch_goes_once_through_every_stage(plan: Any) -> None:
    """However many pieces it is decided in; the stages add up to less than the requests."""
    client = Client(Shop(plan))
    for part in range(3):
        rows = many_purchases(40, seed=part, step_s=1.0)
        assert client.post("/v1/decide/many", rows).status_code == 200
    found = families(client.get("/metrics").text)
    for stage in STAGES:
        assert value(found, "adjudge_stage_seconds_count", stage=stage) == 3
        assert value(found, "adjudge_stage_seconds_bucket", stage=stage, le="+Inf") == 3
        assert value(found, "adjudge_stage_seconds_sum", stage=stage) > 0
    spent = sum(value(found, "adjudge_stage_seconds_sum", stage=stage) for stage in STAGES)
    assert spent < value(found, "adjudge_request_seconds_sum", path="/v1/decide/many")


def test_decisions_are_counted_by_what_made_them(plan: Any) -> None:
    client = Client(Shop(plan))
    client.post("/v1/decide", purchase(1))
    client.post("/v1/decide", purchase(2, card="stolen"))
    found = families(client.get("/metrics").text)
    assert value(found, "adjudge_decided_by_total", system="shop", method="rules") == 1
    assert value(found, "adjudge_decided_by_total", system="shop", method="model") == 1
    assert value(found, "adjudge_known_ids", stream="purchase") == 2


def test_a_failed_append_is_counted_and_seen(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`up` falls, rises again when the log can be written, and the failure stays counted."""
    monkeypatch.setattr("adjudge.service.writer.PAUSE_S", 0.0)
    log, desk = Moody(), Shop(plan)
    desk.decider = Decider([plan], log, clock=desk.clock)
    client = Client(desk)
    seen: list[tuple[float, float]] = []
    for log.full in (False, True, False):
        client.post("/v1/decide", purchase(f"full-{log.full}-{len(seen)}"))
        found = families(client.get("/metrics").text)
        seen.append((value(found, "adjudge_up"), value(found, "adjudge_log_failures_total")))
    assert seen == [(1, 0), (0, 1), (1, 1)]


def test_gauges_are_measured_beside_and_not_too_often(plan: Any, tmp_path: Path) -> None:
    """Histories are counted in slices and seldom; the log and its snapshots each time."""
    desk, now = Shop(plan), [0.0]
    gauges = Gauges(desk.decider, tmp_path, timer=lambda: now[0])
    desk.decide(*many_purchases(30))
    gauges.refresh()
    per_history = {key[1] for key in gauges.histories}
    assert per_history == {"user@purchase", "card@purchase", "user@login"}
    whole = desk.decider.workspace.systems["shop"].state.histories[0].stats()
    assert gauges.histories["shop", "user@purchase", "rows"] == whole.rows > 0
    assert gauges.histories["shop", "user@purchase", "keys"] == whole.keys
    (tmp_path / f"{20:016d}").mkdir()
    before = dict(gauges.histories)
    desk.decide(*many_purchases(30, seed=2))
    gauges.refresh()
    assert (gauges.histories, gauges.snapshot_position, gauges.holder) == (before, 20, "adjudge")
    now[0] += EVERY_S
    gauges.refresh()
    assert gauges.histories["shop", "user@purchase", "rows"] > before["shop", "user@purchase", "rows"]
    assert gauges.log_bytes == desk.decider.log.storage().size_bytes > 1000


def test_histories_counted_in_slices_are_counted_once(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Shop(plan)
    desk.decide(*many_purchases(60))
    monkeypatch.setattr("adjudge.service.gauges.SLICE", 3)
    gauges = Gauges(desk.decider)
    gauges.refresh()
    for i, name in enumerate(["user@purchase", "card@purchase", "user@login"]):
        stats = desk.decider.workspace.systems["shop"].state.histories[i].stats()
        counted = {what: gauges.histories["shop", name, what] for what in ("keys", "rows", "merged_keys", "bytes")}
        assert counted == {what: getattr(stats, what) for what in counted}


class Gone(MemoryLog):
    """A log that cannot be asked anything about itself."""

    def storage(self) -> Storage:
        message = "connection lost"
        raise LogUnavailableError(message)


def test_a_log_that_cannot_be_measured_has_no_size(plan: Any) -> None:
    """A gap in the graph, not a zero; everything else is told."""
    desk = Shop(plan)
    desk.decider = Decider([plan], Gone(), clock=desk.clock)
    client = Client(desk, Settings())
    client.service.gauges.refresh()
    found = families(client.get("/metrics").text)
    assert not found["adjudge_log_bytes"].samples
    assert found["adjudge_histories_keys"].samples


def test_a_standby_tells_how_far_it_is() -> None:
    found = families(Standing(90, 100).text().decode())
    assert {name: (family.type, family.documentation) for name, family in found.items()} == {
        f.name: (f.kind, f.meaning) for f in STANDBY
    }
    assert (value(found, "adjudge_standby_behind_entries"), value(found, "adjudge_up")) == (10, 0)


def test_a_service_that_nobody_asks_finds_out_that_its_log_can_be_written_again(plan: Any) -> None:
    """A load balancer takes it out at 503, so no request will; renewing the right to append does."""
    log, desk = Moody(), Shop(plan)
    desk.decider = Decider([plan], log, clock=desk.clock)
    client = Client(desk)
    log.full = True
    assert client.post("/v1/decide", purchase(1)).status_code == 503
    failed = client.get("/readyz")
    assert (failed.status_code, failed.json()["state"]) == (503, "failed")
    assert "no space left" in failed.json()["detail"]
    assert client.get("/healthz").status_code == 200
    desk.clock.advance(timedelta(seconds=1))
    desk.decider.writer.renew()
    assert client.get("/readyz").status_code == 503, "renewing is writing, and that fails as well"
    log.full = False
    desk.decider.writer.renew()
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["state"], ready.json()["position"]) == (200, "deciding", len(log))
    assert client.post("/v1/decide", purchase(1)).status_code == 200

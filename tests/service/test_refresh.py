"""Refreshing a workspace: the log's events come into the graph, and a replay finds which vectors decided."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.engine import SECRET, compile
from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import ConflictError, InputError
from adjudge.learn import bundle
from adjudge.log import Kind
from adjudge.log.sqlite import SqliteLog
from adjudge.models.graph.events import EventGraph
from adjudge.models.graph.refresh import graphs_of
from adjudge.models.graph.sample import Fanout
from adjudge.models.graph.served import SageModel
from adjudge.models.graph.table import Embeddings
from adjudge.models.scorers import ModelScorer
from adjudge.service.decider import Decider
from adjudge.service.home import LOG_FILE, bundles_of
from adjudge.service.past import import_source
from adjudge.service.refresh import refresh
from adjudge.service.replay import replay
from adjudge.service.resolver import Resolver
from adjudge.service.settings import Settings
from adjudge.service.versions.desk import LiveDesk
from adjudge.service.versions.revision import ListRevision, Revision
from adjudge.service.workspace import Change
from tests.models.graph.test_refresh import layers
from tests.service import bundled
from tests.service.personal.bank import Bank, bank, bank_system, payment
from tests.service.shop import START, Shop, many_purchases, purchase, shop_system
from tests.service.test_past import FRAUDS, PURCHASES
from tests.service.test_past import source as past

KINDS = ("user", "card")
DAY_US = 86_400_000_000


def hashed(*texts: str | None) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return hash_texts(SECRET, TEXT_TAG, list(texts))


def graph_bundle(path: Path) -> Path:
    """Write a bundle with a net that was drawn, and a graph of two purchases of a year ago."""
    long_ago = round((START - timedelta(days=365)).timestamp() * 1e6)
    keys = np.stack([hashed("u1", "old"), hashed("c1", None)])
    graph = EventGraph.build(
        KINDS,
        keys,
        np.array([long_ago, long_ago + 5]),
        x=np.ones((2, 1)),
        names=("amount",),
        labels=(np.zeros(2), np.full(2, long_ago + DAY_US)),
        ids=hashed("x1", "x2"),
    )
    net = layers()
    scorer = ModelScorer(SageModel(net, graph, "at", Fanout(), Embeddings.empty(net), DAY_US))
    random = np.random.default_rng(0)
    sample = np.stack(
        [random.uniform(0, 500, 100), *hashed(*["u1"] * 100)[None].view(float), np.zeros(100), np.zeros(100)]
    )
    bundle.write(
        path,
        plan=compile(shop_system()),
        scorer=scorer,
        sample=(np.ascontiguousarray(sample), np.arange(4)),
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return path


def bank_bundle(path: Path) -> Path:
    """Write a bundle for the bank: its graph names nobody, and has a payment that no log has."""
    net, kinds = layers(), ("card", "merchant")
    keys = np.stack([hashed("card of ada"), hashed("m1")])
    graph = EventGraph.build(kinds, keys, np.array([0]), x=np.ones((1, 1)), names=("amount",), ids=hashed("x1"))
    scorer = ModelScorer(SageModel(net, graph, "at", Fanout(), Embeddings.empty(net), DAY_US))
    sample = np.stack([np.linspace(1, 9, 50), *np.zeros((3, 50))])
    made = datetime(2026, 1, 2, tzinfo=UTC)
    bundle.write(path, plan=bank(), scorer=scorer, sample=(sample, np.arange(4)), created_at=made)
    return path


class Site:
    """A service on the log of a workspace, with a graph net that decides."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(workspace=str(folder))
        self.bundles = bundles_of(self.settings, SECRET)
        self.plan = bundled.plan_with(graph_bundle(folder / "first"), shop_system())
        self.bundles.keep(folder / "first")
        self.shop = Shop(self.plan, at=START + timedelta(days=1))
        self.log = SqliteLog(folder / LOG_FILE)
        self.start()

    def start(self) -> None:
        resolver = Resolver([self.plan], self.bundles)
        self.shop.decider = Decider([self.plan], self.log, clock=self.shop.clock, resolver=resolver)
        self.desk = LiveDesk(self.shop.decider)

    def model(self, id_: str) -> SageModel:
        (model,) = graphs_of(self.bundles.read(id_).scorer)
        return model


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.log.close()


def test_what_was_decided_is_in_the_graph_with_what_became_known(site: Site) -> None:
    rows = many_purchases(40)
    site.shop.decide(*rows)
    ids = [row["purchase_id"] for row in rows]
    said = [(ids[3], 1.0), (ids[4], 1.0), (ids[4], 0.0)]
    changes = [Change(Kind.LABEL, "purchase", id_, "fraud", value) for id_, value in said]
    site.shop.decider.change([*changes, Change(Kind.RETRACTION, "purchase", ids[5])])
    made = refresh(site.settings, SECRET)
    model = site.model(made.bundle)
    graph = model.graph
    assert (made.system, made.before, made.events, made.kept) == ("shop", site.plan.bundle, 41, 41)
    assert set(graph.ids) == {*hashed("x1", "x2", *(r["purchase_id"] for r in rows))} - {
        *hashed(rows[5]["purchase_id"])
    }
    place = {int(mark): i for i, mark in enumerate(graph.ids)}
    fraud, withdrawn, other = (place[int(hashed(rows[i]["purchase_id"])[0])] for i in (3, 4, 6))
    assert graph.label[[fraud, withdrawn]].tolist() == [1, 0]
    assert graph.known_at[fraud] <= model.table.as_of
    assert graph.known_at[other] == graph.ts[other] + DAY_US
    assert graph.x[other, 0] == np.float32(min(np.arcsinh(float(rows[6]["amount"])), 6.0))
    assert model.table.as_of == graph.ts.max() + 1
    assert made.entities == len(model.table.hashes) == graph.nodes
    keys = {int(mark) for r in rows if r is not rows[5] for mark in hashed(r["user"], r.get("card")) if mark}
    assert {int(h) for h in graph.hashes} == keys | {int(h) for h in hashed("u1", "old", "c1")}


def test_it_decides_from_its_activation_on_and_a_replay_finds_both(site: Site) -> None:
    site.shop.decide(*many_purchases(30))
    again = purchase("again", START + timedelta(hours=5), user="u2", card="c3")
    (before,) = site.shop.decide(again)
    made = refresh(site.settings, SECRET)
    done = site.desk.revise(Revision("on schedule", bundle=made.bundle), "cron")
    assert done.status == "active"
    (after,) = site.shop.decide(again | {"purchase_id": "after", "at": (START + timedelta(hours=6)).isoformat()})
    assert before["versions"]["model"] != after["versions"]["model"]
    assert before["probability"] != after["probability"]
    second = refresh(site.settings, SECRET)
    assert second.before == made.bundle
    assert second.events == made.events + 1
    result = replay([site.plan], site.log, bundles=site.bundles)
    assert (result.scores_compared, result.differences, result.not_restored) == (32, [], [])


def test_from_the_command_line_a_workspace_at_rest_goes_on_with_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.shop.decide(*many_purchases(30))
    site.log.close()
    monkeypatch.setenv("ADJUDGE_WORKSPACE", site.settings.workspace)
    monkeypatch.delenv("ADJUDGE_SECRET", raising=False)
    only = CliRunner().invoke(app, ["refresh", "--only", "--json"])
    assert only.exit_code == 0, only.output
    facts = json.loads(only.stdout)
    assert (facts["activated"], facts["events"], facts["neighbourhood"]["alert"]) == (None, 32, "")
    said = CliRunner().invoke(app, ["refresh", "--who", "cron", "--json"])
    assert json.loads(said.stdout)["activated"]["status"] == "active"
    told = CliRunner().invoke(app, ["refresh"])
    assert told.exit_code == 0, told.output
    assert "neighbourhood p95" in told.stdout
    site.log = SqliteLog(Path(site.settings.workspace) / LOG_FILE)
    site.start()
    assert site.shop.decider.workspace.systems["shop"].plan.bundle != site.plan.bundle


def test_in_stretches_it_comes_to_the_same(site: Site) -> None:
    """Labels before and after their events, events taken back, and more of them than a neighbourhood reaches."""
    rows = many_purchases(400, step_s=3000.0)
    site.shop.clock.at = START + timedelta(days=30)
    ids = [row["purchase_id"] for row in rows]
    early = Change(Kind.LABEL, "purchase", ids[390], "fraud", 1.0)
    site.shop.decider.change([early])
    for first in range(0, 400, 20):
        site.shop.decide(*rows[first : first + 20])
        told = [Change(Kind.LABEL, "purchase", id_, "fraud", float(i % 2)) for i, id_ in enumerate(ids[:first:7])]
        site.shop.decider.change([*told, Change(Kind.RETRACTION, "purchase", ids[first])])
    # a year later most of it is of no use to anybody: only the newest of each key can still be reached
    later = many_purchases(600, seed=2, at=START + timedelta(days=340), step_s=4000.0)
    site.shop.clock.at = START + timedelta(days=370)
    site.shop.decide(*(row | {"purchase_id": f"later {row['purchase_id']}"} for row in later))
    whole, parts = refresh(site.settings, SECRET), refresh(site.settings, SECRET, rows=16)
    assert whole.kept < whole.events - 100
    assert (parts.kept, parts.events, parts.entities) == (whole.kept, whole.events, whole.entities)
    one, other = site.model(whole.bundle), site.model(parts.bundle)
    for a, b in ((one.graph, other.graph), (one.table, other.table)):
        mine, theirs = a.arrays(), b.arrays()
        assert all(mine[name].tobytes() == theirs[name].tobytes() for name in mine)


def test_an_erased_person_is_gone_even_where_the_graph_names_nobody(tmp_path: Path) -> None:
    """Events are the person's by the log; of what only training knew nobody can tell, so it goes too."""
    settings = Settings(workspace=str(tmp_path))
    bundles = bundles_of(settings, SECRET)
    plan = bundled.plan_with(bank_bundle(tmp_path / "first"), bank_system())
    bundles.keep(tmp_path / "first")
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        site = Bank(plan, log)
        site.clock.at = START + timedelta(hours=2)
        site.send(*(payment(i, "ada" if i % 2 else "bob", minute=i) for i in range(10)))
        before = refresh(settings, SECRET)
        assert site.erase("ada")
        made = refresh(settings, SECRET)
        site.clock.at = START + timedelta(hours=4)
        site.send(payment("back", "ada", minute=130, card="card of hers"))
        after = refresh(settings, SECRET)
    assert (before.events, made.events, after.events) == (11, 5, 6)
    (model,) = graphs_of(bundles.read(made.bundle).scorer)
    assert set(model.graph.ids) == {*hashed(*(f"p{i}" for i in range(0, 10, 2)))}
    assert not {*hashed("card of ada")} & {*model.graph.hashes}
    (model,) = graphs_of(bundles.read(after.bundle).scorer)
    assert {*hashed("card of hers", "card of bob")} <= {*model.graph.hashes}


def test_a_workspace_that_has_decided_nothing_yet_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no log here"):
        refresh(Settings(workspace=str(tmp_path)), SECRET)
    with closing(SqliteLog(tmp_path / LOG_FILE)):
        for name in (None, "shop"):
            with pytest.raises(InputError, match="nothing has decided on this log yet: serve it once"):
                refresh(Settings(workspace=str(tmp_path)), SECRET, name)


def test_without_events_it_is_the_graph_of_training(site: Site) -> None:
    made = refresh(site.settings, SECRET)
    assert (made.events, made.kept, made.entities) == (2, 2, 3)


def test_what_was_activated_meanwhile_stays(site: Site, tmp_path: Path) -> None:
    """A refresh takes minutes: a model that was promoted and a card that was listed in between are not undone."""
    site.shop.decide(*many_purchases(30))
    made = refresh(site.settings, SECRET)
    site.desk.revise(Revision("stolen", lists={"blocked": ListRevision(add=["c-new"])}), "ada")
    step = Revision("on schedule", bundle=made.bundle, before=made.before)
    assert site.desk.revise(step, "cron").status == "active"
    assert "c-new" in [entry.value for entry in site.desk.held("blocked").entries]
    assert site.desk.revise(step, "cron").status == "unchanged"  # asked again, because no answer came
    late = refresh(site.settings, SECRET)
    promoted = bundled.write(tmp_path / "promoted", shop_system(), 1)
    site.desk.revise(Revision("better", bundle="promoted"), "ada")
    with pytest.raises(ConflictError, match="make it anew") as refused:
        site.desk.revise(Revision("on schedule", bundle=late.bundle, before=late.before), "cron")
    assert (refused.value.field, refused.value.code) == ("before", "conflict")
    assert site.shop.decider.workspace.systems["shop"].plan.bundle == bundle.read(promoted, SECRET).id


def test_history_that_was_brought_in_is_there_with_keys_and_labels(site: Site) -> None:
    """It was not decided, so its numbers are not known; what was decided after it has them."""
    assert import_source(site.shop.decider, past(), "shop") > 0
    site.shop.clock.at = START + timedelta(days=3)
    site.shop.decide(purchase("live", START + timedelta(days=3), user="u2"))
    made = refresh(site.settings, SECRET)
    graph = site.model(made.bundle).graph
    assert made.events == 2 + 300 + 1
    place = {int(mark): i for i, mark in enumerate(graph.ids)}
    live = place[int(hashed("plive")[0])]
    brought = [place[int(mark)] for mark in hashed(*(str(row["purchase_id"]) for row in PURCHASES))]
    assert not graph.x[brought].any()
    assert graph.x[live].any()
    frauds = {id_ for id_, value, _ in FRAUDS if value}
    assert graph.label[brought].tolist() == [int(row["purchase_id"] in frauds) for row in PURCHASES]


def test_after_a_rekey_the_graph_is_that_of_the_log(site: Site) -> None:
    site.shop.decide(*many_purchases(20))
    other = bytes(range(16, 32))
    site.shop.decider.rekey(other, who="ada", why="yearly")
    made = refresh(site.settings, other)
    (model,) = graphs_of(bundles_of(site.settings, other).read(made.bundle).scorer)
    rows = many_purchases(20)
    assert made.events == 20
    marks = hash_texts(other, TEXT_TAG, [row["user"] for row in rows])
    assert {*marks.tolist()} <= {*model.graph.hashes.tolist()}
    assert (model.graph.x != 0).any()


def test_what_cannot_be_refreshed_is_said(site: Site, tmp_path: Path) -> None:
    site.shop.decide(*many_purchases(3))
    with pytest.raises(InputError, match="no system 'shap'; did you mean 'shop'"):
        refresh(site.settings, SECRET, "shap")
    with pytest.raises(InputError, match="another secret"):
        refresh(site.settings, bytes(16))
    with pytest.raises(InputError, match="log in memory"):
        refresh(replace(site.settings, log="memory"), SECRET)
    bundled.write(tmp_path / "flat", shop_system(), 1)
    site.desk.revise(Revision("no graph", bundle="flat"), "ada")
    with pytest.raises(InputError, match="looks back on no graph"):
        refresh(site.settings, SECRET)

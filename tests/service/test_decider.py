"""The decider: admission, decisions, changes, and that its log can be folded again to the same bits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import polars as pl
import pytest

from adjudge.errors import InputError, NotFoundError, UnavailableError
from adjudge.log import Commit, Kind, LogUnavailableError, MemoryLog, entries_of
from adjudge.log.codec import Events, Table, Texts, pack, unpack
from adjudge.service import table
from adjudge.service.decider import Decider
from adjudge.service.replay import replay
from adjudge.service.workspace import Change
from tests.service.shop import START, Shop, many_purchases, purchase, shop


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the shop once."""
    return shop()


@pytest.fixture
def desk(plan: Any) -> Shop:
    """Return a fresh decider for the shop."""
    return Shop(plan)


def features(desk: Shop, id_: str) -> dict[str, float | None]:
    """Return the features that a decision was made from."""
    return desk.decider.decision(id_).features


def test_a_decision_says_what_and_why(desk: Shop) -> None:
    """Action, score, reasons and versions are there, and the position in the log."""
    (answer,) = desk.decide(purchase(1, card="stolen"))
    assert (answer["id"], answer["system"], answer["seq"]) == ("p1", "shop", 1)
    assert (answer["decision"], answer["reason"], answer["method"]) == ("block", "listed", "rules")
    assert answer["rules"] == ["listed"]
    assert {"system", "layout", "rules", "model"} <= answer["versions"].keys()
    assert answer["latency_ms"] >= 0


def test_events_of_a_batch_see_each_other_in_order(desk: Shop) -> None:
    """The fourth purchase of an hour is busy, whether they came together or one by one."""
    rows = [purchase(i, START - timedelta(minutes=10 - i)) for i in range(5)]
    together = desk.decide(*rows)
    other = Shop(shop())
    apart = [other.decide(row)[0] for row in rows]
    for a, b in zip(together, apart, strict=True):
        assert {k: v for k, v in a.items() if k != "latency_ms"} == {k: v for k, v in b.items() if k != "latency_ms"}
    assert [a["decision"] for a in together][2:4] == ["approve", "review"]


def test_the_same_event_again_is_the_first_decision_again(desk: Shop) -> None:
    """A retry changes nothing, in whatever form it comes."""
    first = desk.decide(purchase(1))
    position = len(desk.decider.log)
    assert desk.decide(purchase(1)) == first
    assert desk.decide(purchase(1, amount=10)) == first  # the same amount, written as a number
    assert len(desk.decider.log) == position
    desk.clock.advance(timedelta(days=30))
    desk.decide(purchase(2, START + timedelta(days=30)))
    assert desk.decide(purchase(1)) == first  # known long after it would be too late


def test_an_id_that_comes_twice_in_a_batch_counts_once(desk: Shop) -> None:
    """Both get the one decision; another body under the same id is a conflict."""
    answers = desk.decide(purchase(1), purchase(1), purchase(1, amount="11.00"), purchase(2))
    assert answers[0] == answers[1]
    assert answers[2] == "conflict"
    assert answers[3]["seq"] == answers[0]["seq"] + 1
    assert features(desk, "p2")["user_count_1h"] == 1


def test_another_body_under_a_known_id_is_refused(desk: Shop) -> None:
    """And nothing of it stays."""
    desk.decide(purchase(1))
    position = len(desk.decider.log)
    assert desk.decide(purchase(1, amount="99.00")) == ["conflict"]
    assert len(desk.decider.log) == position


def test_late_events_are_taken_up_to_a_week(desk: Shop) -> None:
    """
    Newest accepted: N.

        N - 7d - 1us      N - 7d              N
        too late          taken, still        .
    """
    desk.decide(purchase(1))
    week = timedelta(days=7)
    assert desk.decide(purchase(2, START - week - timedelta(microseconds=1))) == ["too_late"]
    assert desk.decide(purchase(3, START - week))[0]["decision"] == "approve"


def test_events_from_the_future_are_refused(desk: Shop) -> None:
    """
    Received: R.

        R          R + 5min        R + 5min + 1us
        .          taken           in the future
    """
    ahead = timedelta(minutes=5)
    assert desk.decide(purchase(1, START + ahead + timedelta(microseconds=1))) == ["in_future"]
    assert desk.decide(purchase(2, START + ahead))[0]["decision"] == "approve"


def test_lateness_is_judged_in_the_order_of_the_batch(desk: Shop) -> None:
    """The first of two is taken although the second makes it too old."""
    old = START - timedelta(days=8)
    assert [type(a) for a in desk.decide(purchase(1, old), purchase(2), purchase(3, old))] == [
        dict,
        dict,
        str,
    ]


def test_profiles_may_be_of_any_age(desk: Shop) -> None:
    """An account opened years ago may be told today, and the next purchase reads it."""
    desk.decide(purchase(1))
    account = {"change_id": "a1", "at": "2019-01-01T00:00:00Z", "user": "u1", "verified": True}
    desk.decide(account, stream="account")
    desk.decide(purchase(2))
    assert features(desk, "p1")["user_account_verified"] is None
    assert features(desk, "p2")["user_account_verified"] == 1.0


def test_other_streams_are_kept_and_counted(desk: Shop) -> None:
    """A login is no decision, but the next purchase sees it."""
    assert desk.decide({"login_id": "l1", "at": START.isoformat(), "user": "u1"}, stream="login") == [{}]
    desk.decide(purchase(1))
    assert features(desk, "p1")["user_login_count_10m"] == 1


def test_a_score_leaves_no_trace(desk: Shop) -> None:
    """Asked twice it says the same, and the log and the state are as before."""
    desk.decide(purchase(1))
    position, digest = len(desk.decider.log), desk.decider.workspace.digest()
    door = desk.decider.workspace.door("purchase")
    events = door.rows([purchase(2), purchase(2), purchase(1)]).events
    verdicts = desk.decider.score(events)
    assert verdicts[0].bits("shop") == verdicts[1].bits("shop")
    assert (len(desk.decider.log), desk.decider.workspace.digest()) == (position, digest)
    decided = desk.decider.decide("purchase", events[:1])[0]
    assert decided.bits("shop") == verdicts[0].bits("shop")


def label(id_: str, value: bool = True, name: str = "fraud") -> Change:
    """Return a label of a purchase."""
    return Change(Kind.LABEL, "purchase", id_, name, float(value))


def rate_now(desk: Shop, number: int, card: str = "c1") -> float | None:
    """Return the card's fraud rate as a purchase two days later sees it."""
    desk.clock.at = START + timedelta(days=2)
    desk.decide(purchase(number, desk.clock.at, card=card, user=f"other{number}"))
    return features(desk, f"p{number}")["card_fraud_rate_30d"]


def test_labels_count_from_when_they_are_told(desk: Shop) -> None:
    """A decision made before stands; later ones see the rate."""
    desk.decide(purchase(1, card="c1"), purchase(2, card="c1"))
    assert rate_now(desk, 3) == 0
    assert desk.decider.change([label("p1")]) == ["set"]
    assert rate_now(desk, 4) == 0.5
    assert desk.decider.change([label("p1")]) == ["unchanged"]
    assert desk.decider.change([label("p1", False), label("p2"), label("p2", False)]) == ["set"] * 3
    assert rate_now(desk, 5) == 0
    assert features(desk, "p3")["card_fraud_rate_30d"] == 0


def test_a_label_waits_for_its_event(desk: Shop) -> None:
    """It is told that it waits, and counts from the event on, also for the next in the same batch."""
    assert desk.decider.change([label("p1"), label("p1")]) == ["waiting", "unchanged"]
    assert desk.decider.workspace.waiting == 1
    desk.decide(purchase(1, card="c1"), purchase(2, card="c1"))
    assert desk.decider.workspace.waiting == 0
    assert rate_now(desk, 3) == 0.5
    assert desk.decider.decision("p1").said == {"fraud": True}


def test_a_retracted_event_counts_for_nothing(desk: Shop) -> None:
    """Its decision stands, and it can be taken back before it comes."""
    desk.decide(purchase(1), purchase(2))
    gone = Change(Kind.RETRACTION, "purchase", "p1")
    assert desk.decider.change([gone, gone]) == ["set", "unchanged"]
    assert desk.decider.change([Change(Kind.RETRACTION, "purchase", "p3")]) == ["waiting"]
    desk.decide(purchase(3), purchase(4))
    assert features(desk, "p4")["user_count_1h"] == 1
    assert desk.decider.decision("p1").retracted
    assert desk.decider.change([label("p1")]) == ["set"]
    assert replay([shop()], desk.decider.log).equal


def test_outcomes_are_set_by_decisions_and_by_reviews(desk: Shop) -> None:
    """A block is a decline at once; a review that lets it pass takes that back."""
    desk.decide(purchase(1, card="stolen"), purchase(2))
    assert features(desk, "p2")["user_declined_count_1d"] == 1
    passed = Change(Kind.OUTCOME, "purchase", "p1", "declined", 0.0)
    assert desk.decider.change([passed]) == ["set"]
    desk.decide(purchase(3))
    assert features(desk, "p3")["user_declined_count_1d"] == 0


def test_wrong_labels_are_named(desk: Shop) -> None:
    """With the nearest right name."""
    refused = desk.decider.change([label("p1", name="frod"), Change(Kind.LABEL, "purchse", "p1", "fraud", 1.0)])
    assert [e.code for e in refused if isinstance(e, InputError)] == ["unknown_label", "unknown_stream"]
    assert "did you mean 'fraud'" in str(refused[0])
    assert len(desk.decider.log) == 1


def test_reading_a_decision_gives_words(desk: Shop) -> None:
    """Placeholders are filled from what was known then."""
    desk.decide(*[purchase(i) for i in range(4)])
    stored = desk.decider.decision("p3")
    assert stored.words[0] == "3 purchases of u1 within an hour, 30.00 in a day."
    assert stored.event["purchase_id"] == "p3"
    with pytest.raises(NotFoundError):
        desk.decider.decision("p9")


def test_features_of_a_key_as_of_a_time(desk: Shop) -> None:
    """Reading decides nothing and counts only what had happened by then."""
    desk.decide(purchase(1), purchase(2))
    now = desk.decider.features("user", {"user": "u1"})
    assert now["user_count_1h"] == 2
    earlier = round((START - timedelta(minutes=1)).timestamp() * 1e6)
    assert desk.decider.features("user", {"user": "u1"}, earlier)["user_count_1h"] == 0


def test_two_systems_share_streams_and_histories_of_the_log() -> None:
    """Each decides every purchase, and each answers for itself."""
    desk = Shop(shop("strict"), shop("lenient", model=False, rules=False))
    desk.decider.decide("purchase", desk.decider.workspace.door("purchase").rows([purchase(1, card="stolen")]).events)
    assert b'"block"' in desk.decider.decision("p1", "strict").record
    assert b'"approve"' in desk.decider.decision("p1", "lenient").record
    with pytest.raises(InputError, match="which system"):
        desk.decider.decision("p1")
    with pytest.raises(InputError, match="did you mean 'strict'"):
        desk.decider.decision("p1", "stric")
    assert replay([shop("strict"), shop("lenient", model=False, rules=False)], desk.decider.log).equal


def busy_day(desk: Shop) -> None:
    """Fill a log with everything that can be in one."""
    rows = many_purchases(120)
    desk.clock.at = START + timedelta(hours=2)
    desk.decider.change([label(rows[60]["purchase_id"])])
    for i in range(0, 120, 8):
        desk.decide(*rows[i : i + 8])
        if i % 24 == 0:
            desk.decide({"login_id": f"l{i}", "at": rows[i]["at"], "user": "u1"}, stream="login")
            desk.decide(
                {"change_id": f"a{i}", "at": rows[i]["at"], "user": "u2", "verified": i > 48},
                stream="account",
            )
            desk.decider.change([label(rows[i]["purchase_id"]), label(rows[i + 1]["purchase_id"], False)])
            desk.decider.change([Change(Kind.RETRACTION, "purchase", rows[i + 2]["purchase_id"])])


@pytest.mark.parametrize("batch", [1, 7, 512])
def test_the_log_folded_again_gives_the_same_bits(plan: Any, batch: int) -> None:
    """Whatever the batch size: features, scores and decisions; and a second decider goes on from there."""
    desk = Shop(plan)
    busy_day(desk)
    found = replay([plan], desk.decider.log, batch=batch)
    assert found.differences == []
    assert (found.events, found.scores_compared) == (120, 120)
    assert found.features_compared == 120 * len(desk.decider.workspace.systems["shop"].recorder.names)
    again = Decider([plan], desk.decider.log, clock=desk.clock)
    assert again.workspace.digest() == desk.decider.workspace.digest()
    assert again.workspace.newest_us == desk.decider.workspace.newest_us


def test_a_changed_log_is_noticed(plan: Any) -> None:
    """One amount changed by a cent: replay tells features and scores that differ."""
    desk = Shop(plan)
    busy_day(desk)
    tampered = MemoryLog()
    for commit in desk.decider.log.read():
        blocks = unpack(commit.payload)
        for n, block in enumerate(blocks):
            if isinstance(block, Events) and many_purchases(120)[3]["purchase_id"].encode() in block.ids.all():
                bodies = [body.replace(b'"amount":"', b'"amount":"1') for body in block.bodies.all()]
                blocks[n] = msgspec.structs.replace(block, bodies=Texts.pack(bodies))
        end, payload = tampered.end(), pack(blocks)
        again = Commit.after(
            end.link, end.position, count=commit.count, received_at=commit.received_at, payload=payload
        )
        tampered.append(again)
    found = replay([plan], tampered)
    assert found.features_differing > 0
    assert found.scores_differing > 0
    assert found.differences


def test_other_versions_go_on_with_the_log_and_say_so(plan: Any) -> None:
    """Rules taken away: the log names the new versions, and decisions of the old ones are read as they were."""
    desk = Shop(plan)
    desk.decide(purchase(1, card="stolen"))
    first = desk.decider.decision("p1").record
    desk.decider = Decider([shop(rules=False)], desk.decider.log, clock=desk.clock)
    assert desk.decide(purchase(2, card="stolen"))[0]["rules"] == []
    assert desk.decider.decision("p1").record == first
    assert b'"rules":["' in first
    notes = [e for c in desk.decider.log.read() for e in entries_of(c) if e.kind == Kind.ACTIVATION]
    assert len(notes) == 2
    assert len({bytes(note.content) for note in notes}) == 2


class Moody(MemoryLog):
    """A log that cannot be written while it is told so."""

    full = False

    def append(self, commit: Commit) -> None:
        """Append unless told otherwise."""
        if self.full:
            message = "no space left"
            raise LogUnavailableError(message)
        super().append(commit)

    def renew(self, *, now_us: int, ttl_us: int) -> None:
        """Extend the right to append unless told otherwise: that is writing too."""
        if self.full:
            message = "no space left"
            raise LogUnavailableError(message)
        super().renew(now_us=now_us, ttl_us=ttl_us)


def test_what_cannot_be_logged_has_never_been(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events and labels are refused while the log is full, leave no trace, and go on by themselves afterwards."""
    log = Moody()
    desk, calm = Shop(plan), Shop(plan)
    desk.decider = Decider([plan], log, clock=desk.clock)
    monkeypatch.setattr("adjudge.service.writer.PAUSE_S", 0.0)
    busy_day(desk)
    busy_day(calm)
    before = desk.decider.workspace.digest()
    log.full = True
    late = many_purchases(40, seed=9)
    for row in late:
        row["purchase_id"] += "-late"
    for refused in (lambda: desk.decide(*late), lambda: desk.decider.change([label("early"), label("p1")])):
        with pytest.raises(UnavailableError, match="no space left"):
            refused()
        assert "no space left" in desk.decider.failed
        assert desk.decider.workspace.digest() == before
    log.full = False
    assert [a | {"latency_ms": 0} for a in desk.decide(*late)] == [a | {"latency_ms": 0} for a in calm.decide(*late)]
    assert desk.decider.failed == ""
    assert desk.decider.workspace.digest() == calm.decider.workspace.digest()
    assert desk.decider.workspace.waiting == calm.decider.workspace.waiting
    assert replay([plan], log).equal


class Forgetful(MemoryLog):
    """A log that stores, and whose answers are lost while it is told so."""

    forgets = False

    def append(self, commit: Commit) -> None:
        """Append, and do not say so."""
        super().append(commit)
        if self.forgets:
            message = "the answer was lost"
            raise LogUnavailableError(message)


def test_what_was_logged_although_its_answer_was_lost_is_decided_once(
    plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody was answered, so everybody asks again: the log has it, the state gets it, and nothing is there twice."""
    log = Forgetful()
    desk, calm = Shop(plan), Shop(plan)
    desk.decider = Decider([plan], log, clock=desk.clock)
    monkeypatch.setattr("adjudge.service.writer.PAUSE_S", 0.0)
    busy_day(desk)
    busy_day(calm)
    late = [row | {"purchase_id": f"late{i}"} for i, row in enumerate(many_purchases(40, seed=9))]
    for ask, answer in (
        (lambda: desk.decide(*late), lambda: calm.decide(*late)),
        (lambda: desk.decider.change([label("late3")]), lambda: calm.decider.change([label("late3")])),
    ):
        log.forgets = True
        with pytest.raises(UnavailableError, match="the answer was lost"):
            ask()
        log.forgets = False
        answer()
        ask()
        assert desk.decider.workspace.digest() == calm.decider.workspace.digest()
        assert len(log) == len(calm.decider.log)
    assert desk.decider.repeated == 40
    assert desk.decider.failed == ""
    again, first = desk.decide(*late), calm.decide(*late)
    assert [a | {"latency_ms": 0} for a in again] == [a | {"latency_ms": 0} for a in first]
    assert replay([plan], log).equal


def test_after_a_failed_append_nothing_is_tried_for_a_moment(plan: Any) -> None:
    """A lost database costs its time-out once, not with every request."""
    log = Moody()
    desk = Shop(plan)
    desk.decider = Decider([plan], log, clock=desk.clock)
    log.full = True
    with pytest.raises(UnavailableError):
        desk.decide(purchase(1))
    log.full = False
    with pytest.raises(UnavailableError, match="no space left"):
        desk.decide(purchase(1))


def test_whoever_lost_the_right_to_append_decides_no_more(plan: Any) -> None:
    """Another process has taken over: this one says so until it is started again."""
    desk = Shop(plan)
    other = MemoryLog(desk.decider.log)  # type: ignore[arg-type]
    desk.clock.at += timedelta(hours=1)
    assert other.acquire("the standby", now_us=desk.clock(), ttl_us=1_000_000) is not None
    for _ in range(2):
        with pytest.raises(UnavailableError, match="the standby decides now"):
            desk.decide(purchase(1))
    desk.decider.writer.renew()
    assert "the standby" in desk.decider.failed


def test_an_event_that_cannot_be_encoded_is_refused_alone(desk: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever slips through the door stops neither the service nor the events beside it."""
    encode = type(desk.decider.workspace.systems["shop"].plan).encode

    def strict(plan: Any, stream: str, events: Any, seqs: Any) -> Any:
        if any(getattr(e, "user", "") == "odd" for e in events):
            message = "too odd"
            raise OverflowError(message)
        return encode(plan, stream, events, seqs)

    monkeypatch.setattr(type(desk.decider.workspace.systems["shop"].plan), "encode", strict)
    rows = [purchase(1), purchase(2, user="odd"), purchase(2, user="odd"), purchase(3)]
    answers = desk.decide(*rows)
    assert [a if isinstance(a, str) else a["seq"] for a in answers] == [1, "not_encodable", "not_encodable", 2]
    assert desk.decide(purchase(4, user="odd")) == ["not_encodable"]
    scored = desk.decider.score(desk.decider.workspace.door("purchase").rows(rows[:2]).events)
    assert [v.error.code if v.error else "" for v in scored] == ["", "not_encodable"]
    monkeypatch.undo()
    assert desk.decide(rows[1])[0]["seq"] == 3
    assert replay([shop()], desk.decider.log).equal


def history(n: int) -> pl.DataFrame:
    """Return purchases of the weeks before, as a table."""
    rows = many_purchases(n, seed=5, at=START - timedelta(days=20))
    return pl.DataFrame(
        {
            "purchase_id": [r["purchase_id"] for r in rows],
            "at": pl.Series([r["at"] for r in rows]).str.to_datetime(time_zone="UTC", time_unit="us"),
            "user": [r["user"] for r in rows],
            "card": [r.get("card") for r in rows],
            "amount": [float(r["amount"]) for r in rows],
            "method": [r["method"] for r in rows],
            "place_lat": [r.get("place", {}).get("lat") for r in rows],
            "place_lon": [r.get("place", {}).get("lon") for r in rows],
        }
    )


def test_imported_history_counts_as_if_it_had_been_decided(plan: Any) -> None:
    """The next purchase has the same features, labels reach imported events, and replay agrees."""
    rows = many_purchases(200, seed=5, at=START - timedelta(days=20))
    live, brought = Shop(plan), Shop(plan)
    live.decide(*rows)
    assert brought.decider.import_table("purchase", history(200)) == 200
    for desk in (live, brought):
        desk.decider.change([label(row["purchase_id"]) for row in rows[::10]])
        desk.decide(purchase("x", user="u3", card="c4"))
    assert features(live, "px") == features(brought, "px")
    assert features(live, "px")["user_count_30d"] > 10  # type: ignore[operator]
    assert replay([plan], brought.decider.log).equal
    assert brought.decide(rows[0]) == ["not_decided"]
    assert brought.decide(rows[0] | {"amount": "1.23"}) == ["conflict"]


def test_history_comes_in_in_pieces(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is the same then as in one piece; what does not fit is found before any of it comes in."""
    whole, pieces = Shop(plan), Shop(plan)
    assert whole.decider.import_table("purchase", history(50)) == 50
    monkeypatch.setattr(table, "ROWS", 16)
    short = history(50).with_row_index("row").with_columns(user=pl.when(pl.col("row") < 49).then("user"))
    with pytest.raises(InputError, match="row 49"):
        pieces.decider.import_table("purchase", short)
    assert pieces.decider.writer.position == whole.decider.writer.position - 50
    assert pieces.decider.import_table("purchase", history(50)) == 50
    blocks = [block for commit in pieces.decider.log.read(0, 100) for block in unpack(commit.payload)]
    assert [len(block) for block in blocks if isinstance(block, Table)] == [16, 16, 16, 2]
    for desk in (whole, pieces):
        desk.decide(purchase("x", user="u3", card="c4"))
    assert features(whole, "px") == features(pieces, "px")
    assert whole.decider.workspace.digest() == pieces.decider.workspace.digest()
    assert replay([plan], pieces.decider.log).equal


def test_import_is_only_for_the_time_before_the_first_decision(plan: Any) -> None:
    """And ids must be new."""
    desk = Shop(plan)
    rows = history(10)
    with pytest.raises(InputError, match="row 10 was used before"):
        desk.decider.import_table("purchase", pl.concat([rows, rows[:1]]))
    with pytest.raises(InputError, match="no column 'purchase_id'"):
        desk.decider.import_table("purchase", rows.drop("purchase_id"))
    with pytest.raises(InputError, match="user"):
        desk.decider.import_table("purchase", rows.drop("user"))
    assert not desk.decider.failed
    desk.decider.import_table("purchase", rows)
    with pytest.raises(InputError, match="used before"):
        desk.decider.import_table("purchase", rows)
    desk.decide(purchase(1))
    with pytest.raises(InputError, match="before the first decision"):
        desk.decider.import_table("purchase", history(20)[10:])


def test_features_are_kept_bit_by_bit(desk: Shop) -> None:
    """What the log keeps are the very doubles."""
    desk.decide(purchase(1))
    (commit,) = desk.decider.log.read(1, 2)
    (block,) = unpack(commit.payload)
    assert isinstance(block, Events)
    card = desk.decider.workspace.systems["shop"].recorder.card
    values = dict(zip(card.names, card.matrix(block.made[0].features, 1)[:, 0].tolist(), strict=True))
    assert values["amount"] == 10.0
    told = desk.decider.decision("p1").features
    assert {name for name in values if name not in told} == set(card.hidden)
    assert all(told[name] in (value, None) for name, value in values.items() if name in told)

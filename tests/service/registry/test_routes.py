"""Releases over HTTP: the desk that is there at rest, two people where it takes two, and a retrain by a service."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.engine import SECRET
from adjudge.errors import InputError
from adjudge.log import Kind, entries_of
from adjudge.log.sqlite import SqliteLog
from adjudge.service.access.keys import Grant, create
from adjudge.service.access.ledger import By
from adjudge.service.app import Service
from adjudge.service.bundles import Bundles
from adjudge.service.challengers import remote as challengers
from adjudge.service.decider import Decider
from adjudge.service.home import LOG_FILE
from adjudge.service.registry import package, remote
from adjudge.service.registry.api import MEDIA
from adjudge.service.registry.asked import Assent, Registration
from adjudge.service.registry.entries import Release
from adjudge.service.registry.promote import missing
from adjudge.service.registry.remote import RemoteReleases
from adjudge.service.replay import replay
from adjudge.service.resolver import Resolver
from adjudge.service.retrain import seat
from adjudge.service.retrain.request import DONE, REQUEST
from adjudge.service.retrain.run import Retrained
from adjudge.service.settings import Settings
from tests.service import bundled
from tests.service.access.test_remote import Wire
from tests.service.retrain.lived import Life, plan, run
from tests.service.shop import ManualClock

AT = "http://localhost:8000"
NOBODY = By("", "it is time")
SECOND = "rules,policy,bundle"


@pytest.fixture(scope="module")
def born(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, int]:
    """Return a workspace in which a bundle was made, its id, and the time by then; no test writes into it."""
    home = tmp_path_factory.mktemp("born")
    with closing(SqliteLog(home / LOG_FILE)) as log:
        life = Life(log).live(20)
        return home, run(life, home).bundle, life.clock()


class House:
    """A service on the log of a workspace, and people with keys."""

    def __init__(self, home: Path, log: SqliteLog, now_us: int, **settings: Any) -> None:
        self.home, self.clock = home, ManualClock(datetime.fromtimestamp(now_us / 1e6, UTC))
        made = plan()
        resolver = Resolver([made], Bundles(home / "bundles", SECRET, home))
        self.decider = Decider([made], log, clock=self.clock, resolver=resolver)
        self.service = Service(self.decider, Settings(workspace=str(home), **settings))
        self.keys = {owner: self.key(owner, "manage") for owner in ("ada", "bob")}

    def key(self, owner: str, *scopes: str) -> str:
        registry = self.decider.workspace.management.keys
        return create(registry, self.decider, Grant(owner, list(scopes)), By("root", "offline")).text

    def as_(self, who: str) -> RemoteReleases:
        return RemoteReleases(AT, self.keys[who], Wire(self.service))

    def send(self, path: str, content: bytes, media: str) -> httpx.Response:
        with httpx.Client(transport=Wire(self.service), base_url=AT) as client:
            headers = {"authorization": f"Bearer {self.keys['ada']}", "content-type": media}
            return client.post(path, content=content, headers=headers)


@pytest.fixture
def house(born: tuple[Path, str, int], tmp_path: Path) -> Iterator[House]:
    """Return a service on a copy of the workspace, where bundles take two people."""
    home = tmp_path / "house"
    shutil.copytree(born[0], home)
    with closing(SqliteLog(home / LOG_FILE)) as log:
        yield House(home, log, born[2], second_person=SECOND)


@pytest.fixture
def signing(tmp_path: Path) -> tuple[Path, Path]:
    """Return a key to sign with, and the one to trust."""
    key, private, public = Ed25519PrivateKey.generate(), tmp_path / "ours.pem", tmp_path / "ours.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def refused(status: int, words: str) -> Any:
    return pytest.raises(InputError, match=f"refused with {status}: .*{words}")


def test_what_is_registered_is_told(house: House, born: tuple[Path, str, int]) -> None:
    with house.as_("ada") as desk:
        (release,) = desk.releases("shop").releases
        assert (release.id, release.verdict, release.how) == (born[1], "first", "full")
        assert desk.release(born[1][:8]) == desk.release("latest") == release
        assert desk.card(born[1]).startswith("# Model card: shop, full")
        with refused(404, "nothing is registered"):
            desk.release("zz")
        with pytest.raises(InputError, match="give the id"):
            desk.release("")


def test_one_account_cannot_promote_what_takes_two(house: House, born: tuple[Path, str, int]) -> None:
    """Neither whoever registered it nor whoever promotes it is the second person with their own word."""
    id_, word = born[1], Assent("looks well", "development")
    with house.as_("ada") as ada, house.as_("bob") as bob:  # ada's name is on the entry that registered it
        with refused(409, "nobody but who registered it"):
            ada.promote(id_, word, NOBODY)
        ada.approve(id_, word, NOBODY)
        with refused(409, "nobody but who registered it"):
            ada.promote(id_, word, NOBODY)
        assert [one.who for one in bob.approve(id_, word, NOBODY).approvals] == ["ada", "bob"]
        done = ada.promote(id_, Assent("it is time"), NOBODY)
    assert (done.status, house.decider.workspace.systems["shop"].plan.bundle) == ("active", id_)
    (commit,) = house.decider.log.read(done.seq, done.seq + 1)
    assert [(e.kind, e.who, e.why) for e in entries_of(commit)] == [
        (Kind.ACTIVATION, "ada", "it is time"),
        (Kind.MANAGEMENT, "ada", "it is time"),
    ]
    assert replay([plan()], house.decider.log, bundles=house.decider.resolver.bundles).differences == []


def test_a_package_moves_between_services(
    house: House, born: tuple[Path, str, int], tmp_path: Path, signing: tuple[Path, Path]
) -> None:
    private, public = signing
    signed, unsigned = tmp_path / "signed.adjudge", tmp_path / "unsigned.adjudge"
    with house.as_("ada") as desk:
        sha256 = desk.export(born[1], signed, Assent("for production", "development"), NOBODY, key=private)
        assert desk.export(born[1], unsigned, Assent("again"), NOBODY) == sha256
    assert package.read(signed, public).sha256 == sha256
    there = tmp_path / "there"
    there.mkdir()
    with closing(SqliteLog(there / LOG_FILE)) as log:
        Life(log).live(1)
        other = House(there, log, born[2], trust=str(public))
        with other.as_("bob") as desk:
            with refused(422, "was not signed with the key"):
                desk.take_in(unsigned, By("", "of May"))
            release = desk.take_in(signed, By("", "of May"))
            assert (release.id, release.how, release.who, release.why) == (born[1], "imported", "bob", "of May")
            with refused(409, "imported, as it says from development"):
                desk.promote(born[1], Assent("now", "production"), NOBODY)
        with other.as_("ada") as desk:
            desk.approve(born[1], Assent("looks well", "production"), NOBODY)
            assert desk.promote(born[1], Assent("now"), NOBODY).status == "active"
    assert not [path.name for path in there.iterdir() if path.name.startswith(".")]


def test_what_is_no_package_is_refused_before_anything_is_kept(house: House) -> None:
    assert house.send("/v1/packages?why=x", b"nothing", MEDIA).status_code == 422
    assert house.send("/v1/packages?why=x", b"{}", "application/json").status_code == 415
    assert house.send("/v1/packages", b"nothing", MEDIA).status_code == 422
    assert house.send("/v1/packages?why=%20", b"nothing", MEDIA).status_code == 422


def test_a_package_that_is_too_large_is_not_read_to_its_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adjudge.service.registry.api.TOTAL_LIMIT", 10)
    assert house.send("/v1/packages?why=x", b"x" * 11, MEDIA).status_code == 413


def test_whoever_may_not_manage_sees_and_does_nothing(house: House, born: tuple[Path, str, int]) -> None:
    house.keys["eve"] = house.key("eve", "decide", "label", "review", "audit")
    word = Assent("looks well", "development")
    with house.as_("eve") as desk:
        for attempt in (
            desk.releases,
            lambda: desk.card(born[1]),
            lambda: desk.approve(born[1], word, NOBODY),
            lambda: desk.promote(born[1], word, NOBODY),
            lambda: desk.export(born[1], house.home / "stolen", word, NOBODY),
            lambda: desk.register(Registration("x", bundle=born[1]), NOBODY),
        ):
            with refused(403, "needs the scope 'manage'"):
                attempt()
    assert not (house.home / "stolen").exists()


def test_what_somebody_brings_is_not_a_retrains(house: House) -> None:
    """A bundle with an evaluation of its own goes by its maker's word: somebody else has to give theirs."""
    bundled.write(house.home / "brought", plan().system, 3)
    with house.as_("bob") as desk:
        with refused(422, "a retrain leaves a bundle with its duel"):
            desk.register(Registration("mine", bundle="brought", how="full", evidence={"saved": 1}), NOBODY)
        with refused(422, "only a duel gives a verdict"):
            desk.register(Registration("mine", bundle="brought", evidence={"verdict": "better"}), NOBODY)
        made = desk.register(Registration("mine", bundle="brought", evidence={"saved": 1}), NOBODY)
        assert (made.how, made.verdict, made.who) == ("given", "", "bob")
        with refused(422, "say which bundle it is, or what its rules are"):
            desk.register(Registration("mine"), NOBODY)
        with refused(422, "not in the workspace"):
            desk.register(Registration("mine", bundle="ab" * 32), NOBODY)
        with refused(422, "does not lie in the workspace"):
            desk.register(Registration("mine", bundle="../elsewhere"), NOBODY)


def test_a_bundle_that_was_given_needs_a_second_pair_of_eyes(born: tuple[Path, str, int]) -> None:
    about: dict[str, Any] = {"id": "ef" * 32, "what": "bundle", "system": "shop", "holders": ["ada"]}
    evidence = {"verdict": "first", "champion": ""}
    given = Release(**about, how="given", evidence=evidence, seq=1, at_us=0, who="ada", why="May")
    made = Release(**about, how="full", evidence=evidence, seq=1, at_us=0, who="ada", why="May")
    assert "no retrain here has made it" in missing(given, "development", frozenset(), "")
    assert missing(made, "development", frozenset(), "") == ""


@pytest.fixture
def line(house: House, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what runs a verb of the command line against the service, as somebody."""
    for module, name in ((remote, "RemoteReleases"), (challengers, "RemoteChallengers")):
        monkeypatch.setattr(module, name, functools.partial(getattr(module, name), transport=Wire(house.service)))
    monkeypatch.setattr("adjudge.service.verdict.wall_clock", house.clock)
    monkeypatch.delenv("ADJUDGE_SECRET", raising=False)

    def run_(*words: str, who: str = "bob") -> Any:
        monkeypatch.setenv("ADJUDGE_KEY", house.keys[who])
        done = CliRunner().invoke(app, [*words, "--url", AT, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return run_


def test_every_verb_of_the_registry_at_a_service(
    house: House, line: Any, born: tuple[Path, str, int], tmp_path: Path, signing: tuple[Path, Path]
) -> None:
    rules, evidence, packed = tmp_path / "rules.yaml", tmp_path / "test.json", tmp_path / "rules.adjudge"
    rules.write_text("version: 1\nrules:\n- {id: large, when: amount > 400, action: review, reason: A large amount.}\n")
    evidence.write_text('{"saved": 12.5}')
    made = line("registry", "add", str(rules), "--evidence", str(evidence), "--why", "a draft", who="ada")
    assert [one["id"] for one in line("registry", "list", "--all")] == [born[1], made["id"]]
    assert line("registry", "show", made["id"])["rules"]["rules"][0]["id"] == "large"
    word = ("--environment", "development", "--why", "looks well")
    assert line("registry", "approve", made["id"], *word)["by"] == "bob"
    assert line("registry", "promote", made["id"], *word, who="ada")["status"] == "active"
    line("registry", "export", made["id"], str(packed), "--key", str(signing[0]))
    again = line("registry", "import", str(packed), "--trust", str(signing[1]), "--why", "once more")
    assert again["id"] == made["id"]
    with pytest.raises(InputError, match="leave out --who"):
        line("registry", "approve", made["id"], *word, "--who", "mallory")


def test_a_service_registers_a_retrain_and_runs_it_in_the_shadow(house: House, line: Any, tmp_path: Path) -> None:
    """One of a kind at a time: what is made next follows when the days of the one before are over."""
    words = ("retrain", "--workspace", str(house.home), "--window", "4", "--queue", "5", "--rows", "2000", "--shadow")
    terms = tmp_path / "terms.yaml"
    terms.write_text("{days: 14, promotes: alone}")
    first = line(*words, "--why", "labels of May", "--terms", str(terms))
    assert first["seat"] == {"name": "retrain-full", "new": True, "words": "it runs in the shadow as retrain-full"}
    (release,) = [one for one in house.service.releases.releases().releases if one.id == first["bundle"]]
    assert (release.who, release.why, release.how, release.seq) == ("bob", "labels of May", "full", first["seq"])
    (seated,) = house.service.challengers.desk.challengers().challengers
    assert (seated.name, seated.release, seated.stage) == ("retrain-full", first["bundle"], "shadow")
    assert seated.terms.promotes == "alone"
    assert line(*words)["seat"]["words"] == "it runs already, as retrain-full"
    second = line(*words, "--seed", "2")
    assert second["seat"]["words"] == "challenger retrain-full has been in the shadow for 0.0 of 14 days"
    assert second["bundle"] != first["bundle"]
    house.clock.advance(timedelta(days=14))
    assert line(*words, "--seed", "2")["seat"]["new"]
    (seated,) = house.service.challengers.desk.challengers().challengers
    assert seated.release == second["bundle"]
    past = [one for one in house.decider.workspace.management.careers if one.ended]
    assert [(one.name, one.steps[-1].what) for one in past] == [("retrain-full", "retired")]


def test_what_is_worse_has_no_seat(house: House, line: Any) -> None:
    made = line("retrain", "--workspace", str(house.home), "--window", "4", "--queue", "5", "--rows", "2000")
    worse = msgspec.structs.replace(msgspec.convert(made, Retrained), verdict="worse")
    with challengers.RemoteChallengers(AT, house.keys["ada"]) as desk:
        made_of_it = seat.seat(worse, desk, NOBODY, house.clock())
    assert made_of_it == seat.Seated("", new=False, words="it is worse than what decides")
    assert house.service.challengers.desk.challengers().challengers == []


def test_a_retrain_without_a_good_key_makes_nothing(house: House, line: Any) -> None:
    house.keys["eve"] = house.key("eve", "audit")
    with refused(403, "needs the scope 'manage'"):
        line("retrain", "--workspace", str(house.home), who="eve")
    assert all((path.parent / DONE).exists() for path in (house.home / "retrain").glob(f"*/{REQUEST}"))

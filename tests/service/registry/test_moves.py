"""Releases: evidence before anything else, approval where it is needed, and packages that are checked byte by byte."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.define import Rules
from adjudge.engine import SECRET
from adjudge.errors import AdjudgeError, BundleError, ConflictError, InputError
from adjudge.log.sqlite import SqliteLog
from adjudge.service.access.ledger import By, MemoryLedger
from adjudge.service.access.management import Management
from adjudge.service.challengers.site import RestSite, open_site
from adjudge.service.home import LOG_FILE
from adjudge.service.registry import moves, package
from adjudge.service.registry.asked import Assent, Registration
from adjudge.service.registry.desk import ReleaseDesk
from adjudge.service.registry.entries import APPROVED, ENVIRONMENTS, KEPT, REGISTERED, Approval, Release, Releases
from adjudge.service.registry.promote import missing
from adjudge.service.settings import Settings
from tests.service.retrain.lived import Life, run


@pytest.fixture(scope="module")
def born(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a workspace in which a bundle was made and nothing else was done, and its id; no test writes into it."""
    home = tmp_path_factory.mktemp("born")
    with closing(SqliteLog(home / LOG_FILE)) as log:
        life = Life(log).live(20)
        return home, run(life, home).bundle


@pytest.fixture(scope="module")
def made(born: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a copy of it that the tests share."""
    home = tmp_path_factory.mktemp("shared") / "development"
    shutil.copytree(born[0], home)
    return home, born[1]


@pytest.fixture
def lived(born: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    """Return a copy of it that a test has for itself."""
    home = tmp_path / "lived"
    shutil.copytree(born[0], home)
    return home, born[1]


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Return another workspace in which the shop has decided once."""
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        Life(log).live(1)
    return tmp_path


def settings(home: Path) -> Settings:
    return Settings(workspace=str(home))


class Desk:
    """A workspace at rest and somebody who works in it."""

    def __init__(self, home: Path, who: str = "ada") -> None:
        self.home, self.who = home, who

    def site(self) -> AbstractContextManager[RestSite]:
        return open_site(settings(self.home), SECRET)

    @contextmanager
    def opened(self, second: frozenset[str] = frozenset()) -> Iterator[ReleaseDesk]:
        with self.site() as site:
            yield ReleaseDesk(site, second)

    def by(self, why: str) -> By:
        return By(self.who, why)

    def export(self, id_: str, path: Path, environment: str = "development", key: Path | None = None) -> str:
        with self.opened() as desk:
            return desk.export(id_, path, Assent("exported", environment), self.by("exported"), key=key)

    def take_in(self, path: Path, trusted: Path | None = None) -> str:
        with self.opened() as desk:
            return desk.take_in(path, self.by("of May"), trusted=trusted).id

    def add(self, path: Path, evidence: Path | None = None, how: Any = "given") -> Release:
        said = moves.evidence_of(evidence)
        with self.site() as site:
            if path.is_dir():
                asked = Registration("a draft", None, site.bundles.keep(path).id, how=how, evidence=said)
            else:
                asked = Registration("a draft", rules=Rules.load(path).document(), how=how, evidence=said)
            return ReleaseDesk(site).register(asked, self.by("a draft"))

    def approve(self, id_: str, environment: str) -> None:
        with self.opened() as desk:
            desk.approve(id_, Assent("looks well", environment), self.by("looks well"))

    def promote(self, id_: str, environment: str, second: frozenset[str] = frozenset()) -> str:
        with self.opened(second) as desk:
            return desk.promote(id_, Assent("it is time", environment), self.by("it is time")).status

    def release(self, id_: str) -> Release:
        with self.opened() as desk:
            return desk.release(id_)


def test_what_is_made_here_and_better_may_decide_here(made: tuple[Path, str], tmp_path: Path) -> None:
    home, id_ = made
    assert missing(Desk(home).release(id_[:8]), "development", frozenset(), "") == ""
    assert "nobody but who registered it" in missing(Desk(home).release(id_), "development", frozenset({"bundle"}), "")


def test_a_package_of_the_same_release_has_the_same_bytes(made: tuple[Path, str], tmp_path: Path) -> None:
    home, id_ = made
    hashes = {Desk(home).export(id_, tmp_path / name) for name in ("a", "b")}
    assert len(hashes) == 1
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_elsewhere_it_takes_an_approval_and_then_decides(made: tuple[Path, str], other: Path) -> None:
    home, id_ = made
    path = other / "may.adjudge"
    Desk(home).export(id_, path)
    assert Desk(other).take_in(path) == id_
    release = Desk(other).release(id_)
    assert (release.how, release.origin, release.verdict) == ("imported", "development", "first")
    with pytest.raises(
        ConflictError, match="imported, as it says from development, and nobody has approved it for production"
    ):
        Desk(other).promote(id_, "production")
    with pytest.raises(ConflictError, match=r"nobody but who registered it \(ada\) has approved"):
        Desk(other).promote(id_, "production", frozenset({"bundle"}))
    Desk(other).approve(id_, "production")  # ada has registered it, so her word is that of one person
    with pytest.raises(ConflictError, match=r"nobody but who registered it \(ada\) has approved"):
        Desk(other).promote(id_, "production", frozenset({"bundle"}))
    with pytest.raises(ConflictError, match="this workspace is production, as its log says, and not staging"):
        Desk(other, "bob").approve(id_, "staging")
    Desk(other, "bob").approve(id_, "production")
    assert Desk(other).promote(id_, "production", frozenset({"bundle"})) == "active"
    (stage,) = Desk(other).release(id_).stages
    assert (stage.environment, stage.who) == ("production", "ada")


@pytest.mark.parametrize("origin", ENVIRONMENTS)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_what_was_imported_needs_an_approval_whatever_anybody_says(
    lived: tuple[Path, str], other: Path, origin: str, environment: str
) -> None:
    """Neither the exporter's word for where it comes from nor the promoter's for where they are stands for one."""
    home, id_ = lived
    path = other / "may.adjudge"
    Desk(home).export(id_, path, environment=origin)
    Desk(other, "mallory").take_in(path)
    with pytest.raises(ConflictError, match=f"imported, as it says from {origin}, and nobody has approved it"):
        Desk(other, "mallory").promote(id_, environment)


def test_an_approval_that_came_with_a_package_is_history(lived: tuple[Path, str], other: Path) -> None:
    """Only what this log says counts here: whoever writes a package may write any approval into it."""
    home, id_ = lived
    path, second = other / "may.adjudge", frozenset({"bundle"})
    Desk(home, "bob").approve(id_, "production")
    Desk(home).export(id_, path, environment="production")
    Desk(other, "mallory").take_in(path)
    release = Desk(other).release(id_)
    assert (release.approvals, [one.who for one in release.history]) == ([], ["bob"])
    for parts in (frozenset[str](), second):
        with pytest.raises(ConflictError, match="has approved it for production"):
            Desk(other, "mallory").promote(id_, "production", parts)
    Desk(other, "bob").approve(id_, "production")
    Desk(other, "mallory").take_in(path)  # again: neither more history nor an approval less
    release = Desk(other).release(id_)
    assert ([one.who for one in release.approvals], [one.who for one in release.history]) == (["bob"], ["bob"])
    assert Desk(other, "mallory").promote(id_, "production", second) == "active"


def test_approvals_in_an_entry_of_before_are_history_too() -> None:
    releases = Releases()
    ledger = MemoryLedger(lambda: 0, releases)
    forged = {"who": "boss", "why": "so be it", "at_us": 1, "holders": ["boss"], "environment": "production"}
    content = {"id": "ab12", "what": "bundle", "system": "shop", "how": "imported", "approvals": [forged]}
    ledger.record(REGISTERED, "mallory", "of May", content)
    (release,) = releases
    assert (release.approvals, [one.who for one in release.history]) == ([], ["boss"])


def test_what_was_imported_stays_so_when_it_is_registered_again(made: tuple[Path, str], other: Path) -> None:
    home, id_ = made
    path = other / "may.adjudge"
    Desk(home).export(id_, path)
    Desk(other).take_in(path)
    Desk(other).add(other / "bundles" / id_)
    with pytest.raises(ConflictError, match="nobody has approved it"):
        Desk(other).promote(id_, "development")


@pytest.mark.parametrize("verdict", ["better", "worse"])
def test_a_bundle_that_was_judged_in_a_duel_takes_no_other_evidence(
    lived: tuple[Path, str], tmp_path: Path, verdict: str
) -> None:
    home, id_ = lived
    before, evidence = Desk(home).release(id_), tmp_path / "evidence.json"
    evidence.write_bytes(msgspec.json.encode({**before.evidence, "verdict": verdict}))
    for content in (evidence.read_bytes(), msgspec.json.encode({"verdict": verdict})):
        evidence.write_bytes(content)
        with pytest.raises(InputError, match="the bundle holds the duel that it was judged by"):
            Desk(home, "mallory").add(home / "bundles" / id_, evidence)
    assert Desk(home).release(id_) == before
    evidence.write_bytes(msgspec.json.encode(before.evidence))
    assert Desk(home).add(home / "bundles" / id_, evidence).evidence == before.evidence


def test_a_verdict_without_a_duel_is_refused(lived: tuple[Path, str], tmp_path: Path) -> None:
    """Whoever brings something cannot say how it was judged here."""
    file, evidence = tmp_path / "rules.yaml", tmp_path / "test.json"
    file.write_text(RULES)
    evidence.write_text('{"saved": 12.5, "verdict": "better"}')
    with pytest.raises(InputError, match="only a duel gives a verdict"):
        Desk(lived[0]).add(file, evidence)
    with pytest.raises(InputError, match="only a duel gives a verdict"):
        moves._check_states_no_verdict({"verdict": "first"})


def test_a_name_is_not_got_rid_of_by_registering_again(made: tuple[Path, str], other: Path) -> None:
    """Ada registers and approves; that somebody else registers it afterwards makes her no second person."""
    home, id_ = made
    path = other / "may.adjudge"
    Desk(home).export(id_, path)
    Desk(other, "ada").take_in(path)
    Desk(other, "ada").approve(id_, "production")
    Desk(other, "ci").take_in(path)
    release = Desk(other).release(id_)
    assert (release.holders, [one.who for one in release.approvals]) == (["ada", "ci"], ["ada"])
    with pytest.raises(ConflictError, match=r"nobody but who registered it \(ada, ci\) has approved"):
        Desk(other, "ci").promote(id_, "production", frozenset({"bundle"}))


def test_registered_again_with_other_evidence_it_is_approved_no_more(lived: tuple[Path, str], tmp_path: Path) -> None:
    home, _ = lived
    file, evidence = tmp_path / "rules.yaml", tmp_path / "test.json"
    file.write_text(RULES)
    evidence.write_text('{"saved": 12.5}')
    id_ = Desk(home).add(file, evidence).id
    Desk(home, "bob").approve(id_, "development")
    assert [one.who for one in Desk(home).add(file, evidence).approvals] == ["bob"]
    assert [one.who for one in Desk(home).add(file).approvals] == ["bob"]
    evidence.write_text('{"saved": -12.5}')
    assert Desk(home, "eve").add(file, evidence).approvals == []
    with pytest.raises(ConflictError, match=r"nobody but who registered it \(ada, eve\)"):
        Desk(home).promote(id_, "development", frozenset({"rules"}))


def test_registered_again_it_keeps_where_it_came_from() -> None:
    releases = Releases()
    ledger = MemoryLedger(lambda: 0, releases)
    content = {"id": "ab12", "what": "bundle", "system": "shop", "how": "full", "parents": ["cd34"]}
    first = {**content, "evidence": {"saved": 1}, "holders": ["ada"]}
    ledger.record(REGISTERED, "ada", "labels of May", first)
    ledger.record(APPROVED, "bob", "looks well", {"id": "ab12", "holders": ["bob"]})
    again = {**content, "how": "given", "parents": [], "origin": "production", "holders": ["eve"]}
    ledger.record(REGISTERED, "eve", "once more", again)
    (release,) = releases
    assert (release.how, release.parents, release.origin) == ("full", ["cd34"], "development")
    assert (release.holders, release.evidence, len(release.approvals)) == (["ada", "eve"], {"saved": 1}, 1)
    ledger.record(REGISTERED, "eve", "for the other one", {**again, "system": "other"})
    (release,) = releases
    assert (release.evidence, release.approvals) == ({}, [])  # they were about the other system


@pytest.mark.parametrize(
    ("verdict", "champion", "deciding", "words"),
    [
        ("first", "", "", ""),
        ("better", "ab" * 32, "ab" * 32, ""),
        ("first", "", "ab" * 32, "first against rules alone, and bundle abababababab decides now"),
        ("better", "ab" * 32, "cd" * 32, "better against abababababab, and bundle cdcdcdcdcdcd decides now"),
        ("better", "ab" * 32, "", "better against abababababab, and rules alone decide now"),
        ("better", "", "", ""),
        ("better", None, "", "better against nobody knows what, and rules alone decide now"),
        ("worse", "ab" * 32, "ab" * 32, "worse"),
    ],
)
def test_a_verdict_counts_against_the_champion_that_it_was_made_against(
    verdict: str, champion: str | None, deciding: str, words: str
) -> None:
    evidence = {"verdict": verdict} | ({} if champion is None else {"champion": champion})
    about: dict[str, Any] = {"id": "ef" * 32, "what": "bundle", "system": "shop", "how": "full", "holders": ["ada"]}
    release = Release(**about, evidence=evidence, seq=1, at_us=0, who="ada", why="May")
    lacks = missing(release, "development", frozenset(), deciding)
    assert lacks == (
        f"its evidence says {words}, so somebody but who registered it (ada) has to approve it" if words else ""
    )
    bob = Approval("bob", "looks well", 2, ["bob"], "development")
    approved = Release(**about, evidence=evidence, seq=1, at_us=0, who="ada", why="May", approvals=[bob])
    assert missing(approved, "development", frozenset(), deciding) == ""


def test_what_was_first_is_so_once(lived: tuple[Path, str]) -> None:
    """Where it decides already, its verdict against rules alone has somebody else asked before it is put in force."""
    home, id_ = lived
    assert Desk(home).promote(id_, "development") == "active"
    with pytest.raises(ConflictError, match=f"first against rules alone, and bundle {id_[:12]} decides now"):
        Desk(home).promote(id_, "development")


def test_a_workspace_is_one_environment_once_its_log_says_so(
    lived: tuple[Path, str], tmp_path: Path, other: Path
) -> None:
    home, id_ = lived
    path = tmp_path / "may.adjudge"
    with pytest.raises(InputError, match="nothing has said yet which environment this workspace is"):
        Desk(home).export(id_, path, environment="")
    with pytest.raises(InputError, match="did you mean 'staging'"):
        Desk(home).export(id_, path, environment="stagin")
    Desk(home).export(id_, path, environment="staging")
    Desk(home).export(id_, path, environment="")
    assert package.read(path).head.environment == "staging"
    refused = "this workspace is staging, as its log says, and not development"
    with pytest.raises(ConflictError, match=refused):
        Desk(home).export(id_, path, environment="development")
    with pytest.raises(ConflictError, match=refused):
        Desk(home, "bob").approve(id_, "development")
    with pytest.raises(ConflictError, match=refused):
        Desk(home).promote(id_, "development")
    with Desk(home).site() as site:
        facts = site.management.facts()
    assert Management(facts).releases.environment == "staging"  # as a snapshot keeps it
    Desk(other).take_in(path)
    assert Desk(other).release(id_).origin == "staging"


def test_the_registry_is_a_fold_over_the_log_and_survives_a_snapshot(made: tuple[Path, str]) -> None:
    home, _ = made
    with Desk(home).site() as site:
        facts = site.management.facts()
    again = Management(msgspec.json.decode(msgspec.json.encode(facts), type=type(facts)))
    assert again.facts() == facts
    assert len(list(again.releases)) == 1


@pytest.mark.parametrize("what", ["bundle/card.md", "bundle/bundle.json", "package.json"])
def test_a_package_that_was_changed_is_refused(made: tuple[Path, str], other: Path, what: str) -> None:
    home, id_ = made
    path, changed = other / "may.adjudge", other / "changed.adjudge"
    Desk(home).export(id_, path)
    with tarfile.open(path) as source, tarfile.open(changed, "w") as target:
        for entry in source:
            reader = source.extractfile(entry)
            assert reader is not None
            content = reader.read()
            if entry.name == what:
                content = content.replace(b"shop", b"shap")
            entry.size = len(content)
            target.addfile(entry, io.BytesIO(content))
    with pytest.raises(BundleError):
        Desk(other).take_in(changed)
    with Desk(other).site() as site:
        assert not list(site.management.releases)
    assert not (other / "bundles").exists()


@pytest.mark.parametrize("name", ["../evil.json", "/etc/evil.json", "bundle/../../evil.json", "bundle/run.py"])
def test_a_package_may_hold_nothing_else(other: Path, name: str) -> None:
    path = other / "evil.adjudge"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(BundleError, match="something that no package may hold"):
        Desk(other).take_in(path)


@pytest.mark.parametrize("part", ["evidence", "history"])
def test_a_package_says_no_more_than_an_entry_holds(
    lived: tuple[Path, str], other: Path, tmp_path: Path, part: str
) -> None:
    home, id_ = lived
    path, large = other / "may.adjudge", "x" * moves.EVIDENCE_LIMIT
    release = Desk(home).release(id_)
    changes: dict[str, Any] = {"evidence": {**release.evidence, "more": large}}
    if part == "history":
        changes = {"history": [Approval("bob", large, 1, ["bob"], "staging")]}
    release = msgspec.structs.replace(release, **changes)
    package.write(path, release, "development", {}, home / "bundles" / id_, None)
    with pytest.raises(BundleError, match="an entry holds"):
        Desk(other).take_in(path)
    with Desk(other).site() as site:
        assert not list(site.management.releases)
    assert not (other / "bundles").exists()


@pytest.mark.parametrize(("name", "limit"), [("TOTAL_LIMIT", 2_000), ("MEMBERS_LIMIT", 3), ("TOTAL_LIMIT", 100_000)])
def test_a_package_is_bounded_as_a_whole(
    made: tuple[Path, str], other: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: int
) -> None:
    path = other / "many.adjudge"
    with tarfile.open(path, "w") as archive:
        for number in range(10):
            entry = tarfile.TarInfo(f"bundle/part_{number}.json")
            entry.size = 15_000
            archive.addfile(entry, io.BytesIO(b" " * entry.size))
    monkeypatch.setattr(package, name, limit)
    with pytest.raises(BundleError, match=r"larger than any package|holds more than"):
        Desk(other).take_in(path)


def test_the_newest_full_retrain_of_each_system_is_never_forgotten() -> None:
    """However many incremental ones come after it: by its time the next one is due."""
    releases = Releases()
    ledger = MemoryLedger(lambda: 0, releases)

    def record(id_: str, system: str, how: str) -> None:
        content = {"id": id_, "what": "bundle", "system": system, "how": how, "evidence": {"verdict": "undecided"}}
        ledger.record(REGISTERED, "cron", "on schedule", content)

    for id_, system in (("old", "shop"), ("new", "shop"), ("theirs", "other")):
        record(id_, system, "full")
    for number in range(KEPT + 10):
        record(f"hourly{number}", "shop", "incremental")
    ids = [one.id for one in releases]
    assert ids[:2] == ["new", "theirs"]
    assert ids[2:] == [f"hourly{number}" for number in range(10, KEPT + 10)]


@pytest.mark.parametrize("verb", ["approve", "promote", "show"])
def test_the_latest_of_several_systems_is_asked_for_by_name(lived: tuple[Path, str], verb: str) -> None:
    """Whatever another system has registered in between is neither approved nor put in force by mistake."""
    home, id_ = lived
    with Desk(home).site() as site:
        content = {"id": "ab" * 32, "what": "rules", "system": "other", "how": "given", "evidence": {"saved": 1}}
        site.record(REGISTERED, "ada", "another one", content)
    words = ["--workspace", str(home)]
    if verb != "show":
        words += ["--environment", "development", "--why", "it is time", "--who", "bob"]
    before = len(Desk(home).release(id_).approvals)
    done = CliRunner().invoke(app, ["registry", verb, "latest", *words])
    assert done.exit_code != 0
    assert isinstance(done.exception, InputError) or "which system" in done.output
    assert len(Desk(home).release(id_).approvals) == before
    done = CliRunner().invoke(app, ["registry", verb, "latest", "--system", "shop", *words, "--json"])
    assert done.exit_code == 0, done.output
    assert id_ in done.output or verb == "promote"
    with pytest.raises(AdjudgeError, match="nothing is registered"), Desk(home).opened() as desk:
        desk.release(id_, "other")


def test_what_is_no_package_is_said_to_be_none(other: Path) -> None:
    path = other / "empty.adjudge"
    for content in (b"", b"nothing", b"\0" * 10240):
        path.write_bytes(content)
        with pytest.raises(BundleError, match="is no package"):
            Desk(other).take_in(path)


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for name in ("ours", "theirs"):
        key = Ed25519PrivateKey.generate()
        found[name], found[f"{name}.pub"] = tmp_path / f"{name}.pem", tmp_path / f"{name}.pub"
        found[name].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        found[f"{name}.pub"].write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return found


def test_a_signature_is_by_the_key_that_is_trusted(made: tuple[Path, str], other: Path, keys: dict[str, Path]) -> None:
    home, id_ = made
    path, unsigned = other / "may.adjudge", other / "unsigned.adjudge"
    Desk(home).export(id_, path, key=keys["ours"])
    Desk(home).export(id_, unsigned)
    for file, trusted in ((path, "theirs.pub"), (unsigned, "ours.pub")):
        with pytest.raises(BundleError, match="was not signed with the key"):
            Desk(other).take_in(file, keys[trusted])
    with pytest.raises(InputError, match=r"ours\.pem cannot be read as a key"):
        Desk(other).take_in(path, keys["ours"])
    assert Desk(other).take_in(path, keys["ours.pub"]) == id_


RULES = """
version: 1
rules:
- {id: large, when: amount > 400, action: review, reason: A large amount.}
"""


def test_rules_move_by_their_content(made: tuple[Path, str], other: Path, tmp_path: Path) -> None:
    home, _ = made
    file, evidence = tmp_path / "rules.yaml", tmp_path / "test.json"
    file.write_text(RULES)
    bare = Desk(home).add(file)
    with pytest.raises(ConflictError, match="has no evidence"):
        Desk(home).export(bare.id, tmp_path / "rules.adjudge")
    with pytest.raises(ConflictError, match="nothing says how it was judged"):
        Desk(home).promote(bare.id, "development")
    with pytest.raises(ConflictError, match="nothing to approve"):
        Desk(home).approve(bare.id, "development")
    evidence.write_text('{"saved": 12.5}')
    assert Desk(home).add(file, evidence).id == bare.id
    Desk(home).export(bare.id, tmp_path / "rules.adjudge")
    assert Desk(other).take_in(tmp_path / "rules.adjudge") == bare.id
    Desk(other, "bob").approve(bare.id, "staging")
    assert Desk(other).promote(bare.id, "staging", frozenset({"rules"})) == "active"


def test_rules_that_do_not_go_with_the_system_are_refused(made: tuple[Path, str], tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(RULES.replace("amount", "amuont"))
    with pytest.raises(InputError, match="amuont"):
        Desk(made[0]).add(file)


def test_an_id_that_is_none_and_one_that_is_several(made: tuple[Path, str]) -> None:
    with pytest.raises(AdjudgeError, match="nothing is registered here whose id begins with 'zz'"):
        Desk(made[0]).release("zz")


def test_openssl_makes_a_key_that_does(made: tuple[Path, str], tmp_path: Path) -> None:
    """What the guide says."""
    key = tmp_path / "signing.pem"
    done = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(key)], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    Desk(made[0]).export(made[1], tmp_path / "a", key=key)

"""Rules: loading, errors that name file and rule, canonical form and version, reasons."""

from __future__ import annotations

import contextlib
import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.define.expression import parse
from adjudge.define.listing import Listing
from adjudge.define.rule import Rule, Rules, placeholders, render
from adjudge.errors import DefinitionError

TEXT = """\
version: 1
lists:
  blocked_cards: [c9, c1, c1]
  odd_amounts: [1, 9.99]
rules:
- id: too_fast
  when: user_count_1h > 10
  action: decline
  reason: "{user_count_1h} payments in an hour"
  confidence: 0.9
  priority: 20
- id: listed
  when: card in blocked_cards
  action: block
  reason: The card is listed.
  code: R01
  priority: 1
  final: true
  description: Kept by the fraud desk.
- id: folded
  when: |
    amount in odd_amounts   # a known pattern
    and hour(at) < 5
  action: review
"""


def test_load() -> None:
    rules = Rules.load(TEXT)
    assert [rule.id for rule in rules.rules] == ["listed", "too_fast", "folded"]
    listed, fast, folded = rules.rules
    assert (listed.action, listed.code, listed.final, listed.confidence) == ("block", "R01", True, 1.0)
    assert (fast.code, fast.confidence, fast.priority) == ("too_fast", 0.9, 20)
    assert folded.when == parse("amount in odd_amounts and hour(at) < 5")
    assert rules.lists == {"blocked_cards": ("c1", "c9"), "odd_amounts": (1.0, 9.99)}
    assert rules.list_types == {"blocked_cards": "text", "odd_amounts": "number"}


LIFE = """\
version: 1
rules:
- id: spring
  when: amount > 5
  action: review
  owner: ada
  created: 2026-03-01
  expires: 2026-06-01T02:00:00+02:00
  tags: [cards, season-2026, cards]
"""


def test_a_rule_says_whose_it_is_and_how_long_it_lives() -> None:
    rules = Rules.load(LIFE)
    (rule,) = rules.rules
    assert (rule.owner, rule.tags) == ("ada", ("cards", "season-2026"))
    assert (rule.created, rule.expires) == (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
    assert rule.document()["expires"] == "2026-06-01"
    assert Rules.load(rules.dump()) == rules == Rules.from_document(rules.document())
    for old, new in [("2026-06-01T02", "2026-06-01T03"), ("ada", "bo"), ("2026-03-01", "2026-03-02"), ("cards", "x")]:
        assert Rules.load(LIFE.replace(old, new, 1)).version != rules.version


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("+02:00", "", "rules: rule 'spring': expires needs an offset from UTC, such as 2026-06-01T02:00:00Z"),
        ("2026-06-01T02:00:00+02:00", "soon", "expires is a day such as 2026-12-31 or a time such as"),
        ("2026-06-01T02:00:00+02:00", "7", "expires is a day such as"),
        ("2026-06-01T02:00:00+02:00", "2026-03-01", "it expires at 2026-03-01, before it was created at 2026-03-01"),
        ("[cards, season-2026, cards]", "cards", r"tags are written as \[velocity, cards\], not 'cards'"),
        ("[cards, season-2026, cards]", "[Two words]", "a tag is lower case with underscores or hyphens"),
        ("owner: ada", "owner: [ada]", "owner must be a text"),
        ("owner:", "onwer:", "unknown key 'onwer'; did you mean 'owner'?"),
    ],
)
def test_a_life_that_makes_no_sense_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Rules.load(LIFE.replace(old, new, 1))


def test_a_rule_says_what_goes_on_a_list_once_fraud_is_confirmed() -> None:
    text = LIFE + "  on_fraud: {list: blocked, add: card, for: 30d}\n"
    rules = Rules.load(text)
    assert rules.rules[0].on_fraud == Listing("blocked", "card", timedelta(days=30))
    assert Rules.load(rules.dump()) == rules
    assert rules.rules[0].document()["on_fraud"] == {"list": "blocked", "add": "card", "for": "30d"}
    assert rules.version != Rules.load(LIFE).version
    for old, new, message in [
        ("{list: blocked, add: card, for: 30d}", "blocked", "on_fraud is written as {list: blocked_cards, add: card"),
        ("for: 30d", "fro: 30d", "on_fraud: unknown key 'fro'; did you mean 'for'?"),
        ("list: blocked, ", "", "on_fraud: 'list' must be a plain name, not None"),
        ("30d", "a month", "on_fraud: 'for' is a duration such as 30d, 12h or 45m, not 'a month'"),
    ]:
        with pytest.raises(DefinitionError, match=re.escape(message)):
            Rules.load(text.replace(old, new))


def test_load_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(TEXT, encoding="utf-8")
    assert Rules.load(path) == Rules.load(TEXT) == Rules.load(str(path))


def test_dump_loads_back() -> None:
    rules = Rules.load(TEXT)
    again = Rules.load(rules.dump())
    assert again == rules
    assert again.version == rules.version
    assert again.dump() == rules.dump()


def test_the_version_is_of_what_the_rules_say() -> None:
    rules = Rules.load(TEXT)
    spelled = TEXT.replace("user_count_1h > 10", "(user_count_1h)>10.0").replace("[c9, c1, c1]", "[c1, c9]")
    assert Rules.load(spelled).version == rules.version
    for change in [("> 10", "> 11"), ("decline", "review"), ("0.9", "0.8"), ("c9", "c8"), ("R01", "R02")]:
        assert Rules.load(TEXT.replace(*change, 1)).version != rules.version
    assert len(rules.version) == 16


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version: 1", "version: 2", "rules: version must be 1, not 2"),
        ("version: 1\n", "", "rules: version must be 1, not None"),
        ("lists:", "list:", "rules: unknown key 'list'; did you mean 'lists'?"),
        (
            "  confidence:",
            "  confidnce:",
            "rules: rule 'too_fast': unknown key 'confidnce'; did you mean 'conf",
        ),
        ("> 10", "> ten.x", "rules: rule 'too_fast': attributes are not part of the language at column 17"),
        ("id: listed", "id: too_fast", "rules: rule 'too_fast': there are two rules with this id"),
        ("id: listed", "id: Not A Name", "a rule's id is lower case with underscores"),
        ("- id: listed\n  when", "- when", "rules: rule 2: 'id' is missing"),
        ("  when: card in blocked_cards\n", "", "rules: rule 'listed': 'when' is missing"),
        ("  action: block\n", "", "rules: rule 'listed': 'action' is missing"),
        ("action: block", "action: ''", "rules: rule 'listed': a rule needs an action"),
        ("action: block", "action: [block]", "rules: rule 'listed': action must be a text"),
        ("confidence: 0.9", "confidence: 90", "confidence must be a number above 0 and at most 1, not 90"),
        ("confidence: 0.9", "confidence: .nan", "confidence must be a number above 0 and at most 1, not nan"),
        ("priority: 20", "priority: high", "priority must be a whole number"),
        ("priority: 20", f"priority: {'9' * 30}", "priority must be a whole number"),
        ("final: true", "final: 1", "final must be true or false, not 1"),
        ("{user_count_1h}", "{user.count}", "a placeholder is a name such as {amount} or {amount:.2f}"),
        ("{user_count_1h}", "{}", "a placeholder is a name"),
        ("{user_count_1h}", "{a!r}", "a placeholder is a name"),
        ("{user_count_1h}", "{a:>999999999}", "a placeholder is a name"),
        ("{user_count_1h}", "{user_count_1h", "reason"),
        (
            "[c9, c1, c1]",
            "[c9, 1]",
            "list 'blocked_cards': its elements must be all texts (quote them) or all",
        ),
        ("[c9, c1, c1]", "[true]", "list 'blocked_cards': its elements must be all texts"),
        ("[c9, c1, c1]", "[2024-01-01]", "list 'blocked_cards': its elements must be all texts"),
        ("[c9, c1, c1]", "c9", "list 'blocked_cards': its elements are written as [a, b, c]"),
        ("[c9, c1, c1]", "{c9: 1}", "list 'blocked_cards': its elements are written as [a, b, c]"),
        ("[1, 9.99]", "[.inf]", "list 'odd_amounts': its numbers must be finite"),
        ("[1, 9.99]", f"[{'9' * 400}]", "list 'odd_amounts': its numbers must be finite"),
        ("blocked_cards: [", "blocked-cards: [", "a list's name is a plain name"),
        ("when: card in blocked_cards", "when: 7", "an expression is a text, not int"),
        ("  action: block\n", "  action: block\n  action: review\n", "the key 'action' is given twice"),
        ("- id: listed", "- &x\n  id: listed", None),
        ("final: true", "final: *x", "not valid YAML"),
        ("final: true", "? [a]\n  : 1", "a key must be a plain text"),
        ("final: true", "final: !!python/object:os.system {}", "not valid YAML"),
        ("reason: The", 'reason: "\\ud800 The', "not valid"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, message: str | None) -> None:
    assert old in TEXT
    changed = TEXT.replace(old, new, 1)
    if message is None:
        assert Rules.load(changed) == Rules.load(TEXT)
        return
    with pytest.raises(DefinitionError) as caught:
        Rules.load(changed)
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n- b", "\n", "a: [\n", "rules: 3\nversion: 1", "version: 1\nrules: [3]"])
def test_not_a_rule_file(text: str) -> None:
    with pytest.raises(DefinitionError, match="rules"):
        Rules.load(text)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"absent\.yaml: the rules cannot be read"):
        Rules.load(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DefinitionError, match=r"binary\.yaml: the rules cannot be read"):
        Rules.load(tmp_path / "binary.yaml")


@given(st.text(max_size=200))
def test_any_text_gives_rules_or_a_definition_error(text: str) -> None:
    with contextlib.suppress(DefinitionError):
        Rules.load(text + "\n")


def test_empty_rules() -> None:
    assert Rules().rules == Rules.load("version: 1\nrules: []\n").rules == ()
    assert Rules(lists={"blocked": ()}).list_types == {"blocked": "empty"}
    assert Rules.load(Rules(lists={"blocked": ()}).dump()) == Rules(lists={"blocked": ()})


def test_rules_are_frozen() -> None:
    rule = Rules.load(TEXT).rules[0]
    with pytest.raises(AttributeError):
        rule.action = "approve"  # type: ignore[misc]


def test_placeholders() -> None:
    assert placeholders("{b:.2f}, {a}, {b} and {{not this}}") == ("b", "a")
    assert placeholders("nothing") == ()


@pytest.mark.parametrize(
    ("reason", "value", "text"),
    [
        ("{a}", 3.0, "3"),
        ("{a}", 3, "3"),
        ("{a}", 0.123456, "0.1235"),
        ("{a:.1f}", 2.25, "2.2"),
        ("{a:,.2f}", 1234.5, "1,234.50"),
        ("{a:d}", 2.0, "2"),
        ("{a:.0%}", 0.25, "25%"),
        ("{a}", None, "unknown"),
        ("{a:.1f}", math.nan, "unknown"),
        ("{a:d}", math.inf, "inf"),
        ("{a:.0f}", math.inf, "inf"),
        ("{a}", math.inf, "inf"),
        ("{a}", True, "yes"),
        ("{a}", False, "no"),
        ("{a}", "DE", "DE"),
        ("{a:.1f}", "DE", "DE"),
        ("{b} {{a}}", 1.0, "unknown {a}"),
        ("100 % of {a}", "it", "100 % of it"),
    ],
)
def test_render(reason: str, value: object, text: str) -> None:
    assert render(reason, {"a": value}) == text


def test_a_rule_in_code() -> None:
    rule = Rule("far", "speed > 800", "decline", "Faster than an aeroplane.", confidence=0.95)
    assert rule == Rule("far", parse("speed>800"), "decline", "Faster than an aeroplane.", "far", 0.95)
    assert Rules((rule, Rule("near", "speed < 1", "review", priority=1))).rules[0].id == "near"

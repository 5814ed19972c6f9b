"""A rule is a named expression with an action, a reason and a priority; a rule set is a file of them.

Rules are read from YAML and checked when they are loaded: a wrong expression, an unknown key or a repeated
id names the file, the rule and the place. Reasons may hold placeholders such as ``{user_count_1h}`` or
``{amount:.2f}``, which are filled only when somebody reads the decision.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import re
import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import yaml

from adjudge.define.check import ListType
from adjudge.define.expression import Expression, parse
from adjudge.define.listing import Listing
from adjudge.define.moment import Moment, moment, moment_text
from adjudge.errors import DefinitionError, did_you_mean

_ID = re.compile(r"[a-z][a-z0-9_]*")
_TAG = re.compile(r"[a-z][a-z0-9_-]*")
_SPEC = re.compile(r",?(\.[0-9]{1,2})?[f%]?|d")
_VERSION = 1

LIMIT_RULES = 10_000
"""The most rules of one set."""

LIMIT_PRIORITY = 1_000_000
"""The largest priority, and the smallest below zero."""

LIMIT_TEXT = 1_000
"""The longest reason or description, in characters."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A named condition and what it asks for when it holds.

    Parameters
    ----------
    id
        Stable name, lower case with underscores; it appears on decisions, in metrics and in the log.
    when
        The condition: an expression that gives a truth value. Unknown never fires.
    action
        What the rule asks for; one of the policy's actions.
    reason
        One sentence for the person who reads the decision; may hold placeholders.
    code
        Machine-readable reason; the id when left out.
    confidence
        How sure the rule is, in (0, 1].
    priority
        Rules are asked from the lowest number to the highest.
    final
        Whether nothing after this rule is heard once it fires.
    description
        Why the rule exists, for those who keep it.
    owner
        Who keeps it.
    created, expires
        Since when it exists, and the event time from which on it never fires: a day (its beginning, UTC) or a time.
    tags
        Plain names by which rules are told apart in reports.
    on_fraud
        What goes on a named list once it is confirmed that an event it fired for was fraud; a `Listing`, or what a
        rule file says of one.

    Examples
    --------
    >>> rule = Rule("too_fast", when="user_count_1h > 10", action="decline", reason="{user_count_1h} an hour")
    >>> rule.code, sorted(rule.when.names), placeholders(rule.reason)
    ('too_fast', ['user_count_1h'], ('user_count_1h',))
    """

    id: str
    when: Expression
    action: str
    reason: str = ""
    code: str = ""
    confidence: float = 1.0
    priority: int = 100
    final: bool = False
    description: str = ""
    owner: str = ""
    created: datetime | None = None
    expires: datetime | None = None
    tags: tuple[str, ...] = ()
    on_fraud: Listing | None = None

    def __init__(
        self,
        id: str,
        when: str | Expression,
        action: str,
        reason: str = "",
        code: str = "",
        confidence: float = 1.0,
        priority: int = 100,
        final: bool = False,
        description: str = "",
        owner: str = "",
        created: Moment | None = None,
        expires: Moment | None = None,
        tags: Sequence[str] = (),
        on_fraud: Listing | Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(id, str) or not _ID.fullmatch(id):
            message = f"a rule's id is lower case with underscores, such as 'too_fast', not {id!r}"
            raise DefinitionError(message)
        for name, value in {
            "action": action,
            "reason": reason,
            "code": code,
            "description": description,
            "owner": owner,
        }.items():
            if not isinstance(value, str) or len(value) > LIMIT_TEXT:
                message = f"{name} must be a text of at most {LIMIT_TEXT} characters"
                raise DefinitionError(message)
        if not action:
            message = "a rule needs an action"
            raise DefinitionError(message)
        if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 < confidence <= 1:
            message = f"confidence must be a number above 0 and at most 1, not {confidence!r}"
            raise DefinitionError(message)
        if isinstance(priority, bool) or not isinstance(priority, int) or abs(priority) > LIMIT_PRIORITY:
            message = f"priority must be a whole number of at most {LIMIT_PRIORITY}, not {priority!r}"
            raise DefinitionError(message)
        if not isinstance(final, bool):
            message = f"final must be true or false, not {final!r}"
            raise DefinitionError(message)
        placeholders(reason)
        begins = None if created is None else moment(created, "created")
        ends = None if expires is None else moment(expires, "expires")
        if begins is not None and ends is not None and ends <= begins:
            message = f"it expires at {moment_text(ends)}, before it was created at {moment_text(begins)}"
            raise DefinitionError(message)
        values = (
            id,
            when if isinstance(when, Expression) else parse(when),
            action,
            reason,
            code or id,
            float(confidence),
            priority,
            final,
            description,
            owner,
            begins,
            ends,
            _tags(tags),
            None if on_fraud is None else Listing.read(on_fraud),
        )
        for slot, content in zip(_KEYS, values, strict=True):
            object.__setattr__(self, slot, content)

    def document(self) -> dict[str, Any]:
        """Return what a rule file says of it, the condition as it was written, and what is as usual left out."""
        entry = _entry(self)
        entry["when"] = self.when.text or entry["when"]
        return entry


_KEYS = tuple(each.name for each in dataclasses.fields(Rule))
_USUAL = {each.name: each.default for each in dataclasses.fields(Rule) if each.default is not dataclasses.MISSING}


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tags, str) or not isinstance(tags, Sequence) or not all(isinstance(tag, str) for tag in tags):
        message = f"tags are written as [velocity, cards], not {tags!r}"
        raise DefinitionError(message)
    for tag in tags:
        if not _TAG.fullmatch(tag):
            message = f"a tag is lower case with underscores or hyphens, such as 'velocity', not {tag!r}"
            raise DefinitionError(message)
    return tuple(dict.fromkeys(tags))


@dataclass(frozen=True)
class Rules:
    """A set of rules and the lists they ask, in the order in which they are asked.

    Parameters
    ----------
    rules
        The rules; kept sorted by priority and id.
    lists
        Named lists of texts or of numbers, for ``x in name``.

    Examples
    --------
    >>> rules = Rules.load('''
    ... version: 1
    ... lists: {blocked: [c1, c2]}
    ... rules:
    ... - {id: listed, when: card in blocked, action: block, reason: The card is listed., priority: 1}
    ... ''')
    >>> [rule.id for rule in rules.rules], rules.lists["blocked"], rules.list_types
    (['listed'], ('c1', 'c2'), {'blocked': 'text'})
    >>> Rules.load(rules.dump()) == rules
    True
    """

    rules: tuple[Rule, ...] = ()
    lists: Mapping[str, tuple[str | float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.rules) > LIMIT_RULES:
            message = f"a rule set has at most {LIMIT_RULES} rules, this one has {len(self.rules)}"
            raise DefinitionError(message)
        seen: set[str] = set()
        for rule in self.rules:
            if rule.id in seen:
                message = f"rule {rule.id!r}: there are two rules with this id"
                raise DefinitionError(message)
            seen.add(rule.id)
        ordered = tuple(sorted(self.rules, key=lambda rule: (rule.priority, rule.id)))
        object.__setattr__(self, "rules", ordered)
        lists = {name: elements(name, values) for name, values in sorted(dict(self.lists).items())}
        object.__setattr__(self, "lists", lists)

    @functools.cached_property
    def list_types(self) -> dict[str, ListType]:
        """What each list holds, for checking expressions."""
        return {
            name: ("text" if isinstance(values[0], str) else "number") if values else "empty"
            for name, values in self.lists.items()
        }

    @functools.cached_property
    def version(self) -> str:
        """A short hash of what the rules say, the same for every way of writing it."""
        content = json.dumps(_document(self), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def document(self) -> dict[str, Any]:
        """Return the content of a rule file that says the same, conditions as they were written."""
        return {**_document(self), "rules": [rule.document() for rule in self.rules]}

    @classmethod
    def from_document(cls, content: object, name: str = "rules") -> Rules:
        """Return the rules that the content of a rule file says.

        Parameters
        ----------
        content
            The file as it is parsed: mappings, lists and plain values.
        name
            What it is called in errors.

        Raises
        ------
        DefinitionError
            If anything in it is wrong; the message names the rule.
        """
        return _from_document(name, content)

    def dump(self) -> str:
        """Return the rules as YAML that loads back to an equal set."""
        text: str = yaml.safe_dump(_document(self), sort_keys=False, allow_unicode=True, width=100)
        return text

    @classmethod
    def loads(cls, text: str) -> Rules:
        """Return the rules of a YAML text; never reads a file, whoever has written the text.

        Parameters
        ----------
        text
            What a rule file holds.

        Raises
        ------
        DefinitionError
            If anything in it is wrong; the message names the rule.

        Examples
        --------
        >>> Rules.loads("version: 1").rules
        ()
        """
        return _read("rules", text)

    @classmethod
    def load(cls, source: str | Path) -> Rules:
        """Return the rules of a YAML file, or of YAML text.

        Parameters
        ----------
        source
            A path, or a text of more than one line.

        Raises
        ------
        DefinitionError
            If anything in it is wrong; the message names the file and the rule.
        """
        if isinstance(source, str) and "\n" in source:
            return cls.loads(source)
        path = Path(source)
        try:
            return _read(path.name, path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            message = f"{path.name}: the rules cannot be read: {error}"
            raise DefinitionError(message) from None


def placeholders(reason: str) -> tuple[str, ...]:
    """Return the names that a reason's placeholders ask for, in order and once each.

    Parameters
    ----------
    reason
        The text of a reason.

    Raises
    ------
    DefinitionError
        If a placeholder is anything but a name and a simple number format.

    Examples
    --------
    >>> placeholders("{amount:.2f} is {amount_zscore:.1f} deviations above usual")
    ('amount', 'amount_zscore')
    """
    return tuple(dict.fromkeys(name for _, name, _ in _parts(reason) if name))


def render(reason: str, values: Mapping[str, object]) -> str:
    """Return a reason with its placeholders filled; what is missing reads "unknown".

    Parameters
    ----------
    reason
        The text of a reason.
    values
        What to fill in; None and NaN are missing, and so is a name that is not there.

    Examples
    --------
    >>> render("{amount:.2f} spent, {count} payments, {speed:.0f} km/h", {"amount": 12.5, "count": 3.0})
    '12.50 spent, 3 payments, unknown km/h'
    """
    return "".join(before + (_fill(values.get(name), spec) if name else "") for before, name, spec in _parts(reason))


@functools.lru_cache(maxsize=4096)
def _parts(reason: str) -> tuple[tuple[str, str, str], ...]:
    """Return (text before, name, format) for each placeholder; a name is empty where only text is left."""
    parts: list[tuple[str, str, str]] = []
    try:
        for before, name, spec, conversion in string.Formatter().parse(reason):
            if name is not None and (not name.isidentifier() or conversion or not _SPEC.fullmatch(spec or "")):
                message = f"reason {reason!r}: a placeholder is a name such as {{amount}} or {{amount:.2f}}"
                raise DefinitionError(message)
            parts.append((before, name or "", spec or ""))
    except ValueError as error:
        message = f"reason {reason!r}: {error}"
        raise DefinitionError(message) from None
    return tuple(parts)


def _fill(value: object, spec: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if spec == "d" or (not spec and math.isfinite(value) and float(value).is_integer()):
            return f"{value:.0f}"
        return format(value, spec or ".4g")
    return str(value)


def elements(name: str, values: object) -> tuple[str | float, ...]:
    """Return what a named list holds, once each and in order.

    Parameters
    ----------
    name
        Of the list.
    values
        Texts or numbers.

    Raises
    ------
    DefinitionError
        If the name is not a plain one, or the list holds both, or anything else.

    Examples
    --------
    >>> elements("risky", {"m2", "m1"}), elements("limits", [10, 2.5, 10])
    (('m1', 'm2'), (2.5, 10.0))
    """
    if not isinstance(name, str) or not name.isidentifier():
        message = f"a list's name is a plain name such as 'blocked_cards', not {name!r}"
        raise DefinitionError(message)
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Collection):
        message = f"list {name!r}: its elements are written as [a, b, c]"
        raise DefinitionError(message)
    texts = [value for value in values if isinstance(value, str)]
    numbers = [_float(each) for each in values if isinstance(each, int | float) and not isinstance(each, bool)]
    if len(texts) not in (0, len(values)) or len(texts) + len(numbers) != len(values):
        message = f"list {name!r}: its elements must be all texts (quote them) or all numbers"
        raise DefinitionError(message)
    if any(not math.isfinite(number) for number in numbers):
        message = f"list {name!r}: its numbers must be finite"
        raise DefinitionError(message)
    return tuple(sorted(set(texts))) or tuple(sorted(set(numbers)))


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf


def _document(rules: Rules) -> dict[str, Any]:
    """Return the canonical form: everything that can change a decision or its words, defaults left out."""
    entries = [_entry(rule) for rule in rules.rules]
    lists = {name: list(values) for name, values in rules.lists.items()}
    return {"version": _VERSION, **({"lists": lists} if lists else {}), "rules": entries}


def _entry(rule: Rule) -> dict[str, Any]:
    """Return the canonical form of one rule."""
    entry = {key: getattr(rule, key) for key in _KEYS}
    entry = {key: value for key, value in entry.items() if key not in _USUAL or value != _USUAL[key]}
    entry["when"] = str(rule.when)
    if entry["code"] == rule.id:
        del entry["code"]
    entry |= {key: moment_text(entry[key]) for key in ("created", "expires") if key in entry}
    if rule.on_fraud is not None:
        entry["on_fraud"] = rule.on_fraud.document()
    return entry | ({"tags": list(rule.tags)} if rule.tags else {})


def _read(name: str, text: str) -> Rules:
    try:
        content = yaml.load(text, Loader=StrictLoader)
    except yaml.YAMLError as error:
        _fail(name, f"not valid YAML: {_first_line(error)}")
    except RecursionError:
        _fail(name, "not valid YAML: nested too deeply")
    return _from_document(name, content)


def _from_document(name: str, content: object) -> Rules:
    if not isinstance(content, dict):
        _fail(name, "a rule file starts with 'version: 1' and 'rules:'")
    _keys(name, content, ("version", "rules", "lists"))
    if content.get("version") != _VERSION:
        _fail(name, f"version must be {_VERSION}, not {content.get('version')!r}")
    entries, lists = content.get("rules") or [], content.get("lists") or {}
    if not isinstance(entries, list) or not isinstance(lists, dict):
        _fail(name, "'rules' is a list of rules and 'lists' a mapping from names to lists")
    rules = tuple(_rule(name, i, entry) for i, entry in enumerate(entries))
    try:
        return Rules(rules, lists)
    except DefinitionError as error:
        _fail(name, str(error))


def _rule(name: str, i: int, entry: object) -> Rule:
    where = f"{name}: rule {i + 1}"
    if not isinstance(entry, dict):
        _fail(where, "a rule is a mapping with id, when and action")
    where = f"{name}: rule {entry['id']!r}" if isinstance(entry.get("id"), str) else where
    try:
        return read_rule(entry)
    except DefinitionError as error:
        _fail(where, str(error))


def read_rule(entry: object) -> Rule:
    """Return the rule of one entry of a rule file; `DefinitionError` says what is wrong with it."""
    if not isinstance(entry, dict):
        message = "a rule is a mapping with id, when and action"
        raise DefinitionError(message)
    for key in entry:
        if key not in _KEYS:
            message = f"unknown key {key!r}{did_you_mean(str(key), _KEYS)}"
            raise DefinitionError(message)
    for key in ("id", "when", "action"):
        if key not in entry:
            message = f"{key!r} is missing"
            raise DefinitionError(message)
    return Rule(**entry)


def _keys(where: str, entry: Mapping[Any, object], known: Sequence[str]) -> None:
    for key in entry:
        if key not in known:
            _fail(where, f"unknown key {key!r}{did_you_mean(str(key), known)}")


def _fail(where: str, message: str) -> NoReturn:
    full = f"{where}: {message}"
    raise DefinitionError(full)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


class StrictLoader(yaml.SafeLoader):
    """Safe YAML in which a repeated key and an alias are errors, so nothing is lost or multiplied."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Return the next node; an alias is refused."""
        if self.check_event(yaml.AliasEvent):
            message = "aliases are not allowed"
            raise yaml.composer.ComposerError(None, None, message, self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping; a key that comes twice is refused."""
        seen: set[object] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                message = "a key must be a plain text"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
            if key.value in seen:
                message = f"the key {key.value!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

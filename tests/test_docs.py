"""The documents are complete: every verb, route, setting, public name, rule and decision."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from adjudge.cli import app
from tests.documents import DOCUMENTS, ROOT, commands
from tools import figures, graphs, reference

DOCS = ROOT / "docs"
VERBS: dict[str, Any] = dict(reference.verbs(get_command(app)))


@pytest.mark.parametrize("page", reference.PAGES)
def test_generated_page_is_what_the_code_says(page: str) -> None:
    shown = (reference.FOLDER / page).read_text(encoding="utf-8")
    assert shown == reference.PAGES[page](), "run `make reference`"


def test_tables_of_the_guide_to_graphs_are_those_of_the_last_full_runs() -> None:
    guide = (DOCS / "guides" / "graph.md").read_text(encoding="utf-8")
    for table in (graphs.rings(), graphs.schedules(), graphs.sharing()):
        assert table in guide, "run `make reference`"


def test_figures_of_the_readme_are_those_of_the_last_full_runs() -> None:
    assert figures.block() in (ROOT / "README.md").read_text(encoding="utf-8"), "run `make reference`"
    guide = (DOCS / "guides" / "train.md").read_text(encoding="utf-8")
    assert figures.imbalance() in guide, "run `make reference`"
    assert figures.layers() in guide, "run `make reference`"
    assert figures.simulator() in (DOCS / "guides" / "simulate.md").read_text(encoding="utf-8"), "run `make reference`"


def test_every_verb_has_a_section_and_help() -> None:
    page = (reference.FOLDER / "cli.md").read_text(encoding="utf-8")
    for name, command in VERBS.items():
        assert f"## adjudge {name}\n" in page
        assert command.help, f"`adjudge {name}` says nothing about itself"
        silent = [p.name for p in command.params if not p.help and p.name != "help"]
        assert silent == [], f"`adjudge {name}` does not say what these are"


def test_every_route_has_a_section() -> None:
    page = (reference.FOLDER / "http.md").read_text(encoding="utf-8")
    for path, methods in reference.openapi()["paths"].items():
        for method, route in methods.items():
            assert f"## {method.upper()} {path}\n" in page
            assert route.get("description") or route.get("summary"), f"{path} says nothing about itself"


def test_every_environment_variable_has_a_line() -> None:
    page = (reference.FOLDER / "settings.md").read_text(encoding="utf-8")
    read = {
        name
        for path in (ROOT / "src").rglob("*.py")
        for name in re.findall(r'"(ADJUDGE_[A-Z_]*[A-Z])"', path.read_text())
    }
    assert [name for name in sorted(read) if f"`{name}`" not in page] == []


def test_every_public_name_says_what_it_is() -> None:
    page = (reference.FOLDER / "python.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|  \|$", page, re.MULTILINE) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_a_document_shows_exist(document: Path) -> None:
    for line, command in commands(document, "adjudge"):
        words = shlex.split(command)[1:]
        where = f"{document.name}:{line}: `{command}`"
        assert words, where
        verb = VERBS.get(words[0]) or VERBS.get(" ".join(words[:2]))
        assert verb is not None, f"{where}: there is no verb {' '.join(words[:2])!r}"
        known = {option for p in verb.params for option in (*p.opts, *p.secondary_opts)}
        options = [w.partition("=")[0] for w in words[1:] if w.startswith("--")]
        open_ended = verb.context_settings.get("ignore_unknown_options", False)
        assert open_ended or set(options) <= known, where


def test_every_rule_of_the_contract_has_tests() -> None:
    rules = re.findall(r'<a id="rule-(\d+)"></a>\*\*(\d+)\.', (DOCS / "contract.md").read_text(encoding="utf-8"))
    assert [int(anchor) for anchor, _ in rules] == [int(number) for _, number in rules] == [*range(1, len(rules) + 1)]
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "contracts").glob("test_*.py")]
    tested = {int(n) for text in sources for n in re.findall(r"def test_rule_(\d+)_", text)}
    assert tested == set(range(1, len(rules) + 1))


@pytest.mark.parametrize("page", sorted((DOCS / "decisions").glob("0*.md")), ids=lambda path: path.stem)
def test_decision_has_every_part(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parts = ["**Status.**", "## Context", "## Decision", "## Rejected alternatives", "## Consequences"]
    places = [text.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    assert page.name in (DOCS / "decisions" / "index.md").read_text(encoding="utf-8")


def test_modules_that_documents_name_exist() -> None:
    """Names such as `history/naive.py` in the text are files of the package."""
    for document in DOCUMENTS:
        for name in re.findall(r"`((?:\w+/)+\w+\.py)`", document.read_text(encoding="utf-8")):
            found = (ROOT / "src" / "adjudge" / name).exists() or (ROOT / name).exists()
            assert found, f"{document.name} names {name}, which does not exist"

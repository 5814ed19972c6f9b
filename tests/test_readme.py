"""What README and documents show is true: Python runs, commands exist, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.documents import DOCUMENTS, ROOT, commands, links, run

EVERY = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@EVERY
def test_python_of_a_document_runs(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(document, tmp_path)


@EVERY
def test_links_inside_the_repository_lead_to_files(document: Path) -> None:
    for target in links(document):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = document if not path else document.parent / path
        assert file.exists(), f"{document.name} links to {target}, which does not exist"
        if anchor:
            assert anchor in _anchors(file), f"{document.name} links to {target}, a heading that does not exist"


@EVERY
def test_make_targets_that_a_document_names_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line, command in commands(document, "make"):
        for word in shlex.split(command)[1:]:
            if "=" not in word:
                assert re.search(rf"^{word}:", makefile, re.MULTILINE), f"{document.name}:{line}: no target {word!r}"


def test_readme_shows_the_two_commands_first() -> None:
    shown = [command for _, command in commands(ROOT / "README.md", "make")]
    assert shown[:2] == ["make demo", "make test"]


def _anchors(document: Path) -> set[str]:
    """Return the anchors of a document: its headings, and those that are set by hand."""
    text = document.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))

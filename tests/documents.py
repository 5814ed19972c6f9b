"""Running what documents show: their Python in order, and finding the commands that they name.

In a Markdown file a ``python`` block is executed and a ``pycon`` block is held to the output it shows, all
blocks of one file in one namespace. A comment ``<!-- file: name -->`` before a block writes the block to that
file first. Blocks marked ``console`` are not run; their ``$ adjudge`` and ``$ make`` lines are checked.
"""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
"""The repository."""

DOCUMENTS = tuple(sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]))
"""Every document that is held to what it shows."""

_FENCE = re.compile(
    r"^(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"(?<!\!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document: language, text, line, and the file it is written to, if any."""

    language: str
    text: str
    line: int
    file: str | None = None


def blocks(document: Path) -> list[Block]:
    """Return the fenced blocks of a document, in order."""
    text = document.read_text(encoding="utf-8")
    return [
        Block(m["language"], m["text"], text[: m.start("text")].count("\n"), m["file"]) for m in _FENCE.finditer(text)
    ]


def links(document: Path) -> Iterator[str]:
    """Yield the targets of the links of a document, code left out."""
    text = _FENCE.sub("", document.read_text(encoding="utf-8"))
    for found in _LINK.finditer(re.sub(r"`[^`]*`", "", text)):
        yield found["target"]


def run(document: Path, folder: Path) -> int:
    """Execute the Python blocks of a document in one namespace; return how many there were.

    Parameters
    ----------
    document
        The Markdown file.
    folder
        Where the files that it shows are written; the caller makes it the current folder.
    """
    namespace: dict[str, Any] = {"__name__": f"document_{document.stem}"}
    executed = 0
    for block in blocks(document):
        if block.file is not None:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        if block.language == "python" and block.file is None:
            # blank lines before the block make the line numbers of a traceback those of the document
            code = compile("\n" * block.line + block.text, document.name, "exec", dont_inherit=True)
            exec(code, namespace)
            executed += 1
        elif block.language == "pycon":
            _hold(document, block, namespace)
            executed += 1
    return executed


def _hold(document: Path, block: Block, namespace: dict[str, Any]) -> None:
    """Run a console session and compare what it prints with what the document shows."""
    printed: list[str] = []
    test = doctest.DocTestParser().get_doctest(block.text, namespace, document.name, str(document), block.line)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=printed.append, clear_globs=False)
    namespace.update(test.globs)
    assert runner.summarize(verbose=False).failed == 0, "".join(printed)


def commands(document: Path, program: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of the commands of one program that a document's console blocks show."""
    for block in blocks(document):
        lines = block.text.splitlines() if block.language == "console" else []
        for line, text in enumerate(lines, start=block.line + 1):
            if text.startswith("$ "):
                for part in re.split(r" && | \| ", text.removeprefix("$ ").partition(" #")[0]):
                    if part.split()[0] == program:
                        yield line, part.strip()

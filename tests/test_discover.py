"""Finding a system: what is wrong in somebody's own folder is named with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from adjudge.discover import find
from adjudge.errors import DefinitionError, InputError

WRONG = {
    "no such module": ("import os\nimport no_such_module\n", "definition.py, line 2: .*no_such_module"),
    "not Python": ("system = (\n", "definition.py, line 1: SyntaxError"),
    "no such name": ("\n\nsystem = sytem\n", "definition.py, line 3: NameError: .*sytem"),
    "any failure": ("def f():\n    return 1 / 0\nf()\n", "definition.py, line 2: ZeroDivisionError"),
    "a failure when it is called": ("def system(lists):\n    return lists.none\n", "definition.py, line 2: Attribute"),
    "no lists": ("def system():\n    return None\n", "definition.py: TypeError: .*lists"),
    "nothing": ("", "must hold `system`"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_mistake_in_a_definition_is_named_with_file_and_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "definition.py").write_text(text)
    with pytest.raises(DefinitionError, match=message):
        find(str(tmp_path)).build({})


def test_our_own_errors_pass_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "definition.py").write_text("from adjudge.errors import InputError\nraise InputError('as it is')\n")
    with pytest.raises(InputError, match=r"^as it is$"):
        find(str(tmp_path))

"""What a retrain trains: the definitions of a system where there are any, and never something else in their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from adjudge.commands.retrain import estimator_of
from adjudge.errors import DefinitionError, InputError


def test_a_system_that_only_the_log_knows_is_trained_with_boosted_trees() -> None:
    assert estimator_of("no system of the package", None) is None


def test_definitions_that_are_named_have_to_be_there() -> None:
    with pytest.raises(InputError, match="there is no system 'nowhere'"):
        estimator_of("payments", "nowhere")


@pytest.mark.parametrize(
    "content", ["system = 3\n", "def system(lists):\n    return 1 / 0\n", "import nothing_of_that_name\n"]
)
def test_broken_definitions_are_not_replaced_in_silence(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "definition.py").write_text(content)
    monkeypatch.chdir(tmp_path)
    for name, definitions in (("own", None), ("shop", "own")):
        with pytest.raises(DefinitionError):
            estimator_of(name, definitions)

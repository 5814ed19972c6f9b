"""Settings come from the command line, then from the environment, then from the defaults."""

from __future__ import annotations

import pytest

from adjudge.errors import InputError
from adjudge.service.settings import Settings


def test_the_command_line_goes_first() -> None:
    """None means not given."""
    environ = {"ADJUDGE_PORT": "9000", "ADJUDGE_HOST": "0.0.0.0", "ADJUDGE_MAX_ROWS": "5", "PATH": "x"}
    settings = Settings.read(environ, port=7000, host=None)
    assert (settings.port, settings.host, settings.max_rows) == (7000, "0.0.0.0", 5)
    assert Settings.read({}) == Settings()


def test_only_this_machine_is_served_unless_said_otherwise() -> None:
    """Nobody puts a decision service on the network by accident."""
    assert Settings().host == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("PORT", "70000"), ("MAX_BATCH", "0"), ("MAX_WAITING", "-1")]
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    """With the variable or the setting, not with a traceback."""
    with pytest.raises(InputError, match=name.lower() if value[-1:].isdigit() else f"ADJUDGE_{name}"):
        Settings.read({f"ADJUDGE_{name}": value})

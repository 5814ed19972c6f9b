"""Endpoints: a file that cannot be meant is refused with a sentence that says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from adjudge.errors import InputError
from adjudge.service.outbox.endpoint import FILE, read_endpoints

GOOD = "{id: bank, url: 'https://bank.example/hook', secret_variable: BANK}"


def written(folder: Path, *endpoints: str) -> Path:
    (folder / FILE).write_text("endpoints: [" + ", ".join(endpoints) + "]\n")
    return folder


def test_it_is_read_with_its_defaults(tmp_path: Path) -> None:
    (endpoint,) = read_endpoints(written(tmp_path, GOOD))
    assert (endpoint.id, endpoint.key, endpoint.batch) == ("bank", "", 1)
    assert endpoint.wants("any", "stream", "block")
    assert endpoint.secret({"BANK": "s"}) == b"s"


@pytest.mark.parametrize(
    ("endpoints", "told"),
    [
        ([GOOD, GOOD], "the same id"),
        ([GOOD.replace("https", "ftp")], "must begin with"),
        ([GOOD.replace("}", ", batch: 0}")], "must be positive"),
        ([GOOD.replace("}", ", colour: red}")], "colour"),
        ([GOOD.replace("bank,", "'',")], "needs an id"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, endpoints: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_endpoints(written(tmp_path, *endpoints))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=FILE):
        read_endpoints(tmp_path)

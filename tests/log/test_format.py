"""A log written by an older version opens: what every version of the format has written is kept here and read.

`python -m tests.log.test_format` prints the golden file of the present format; one that is there is never written anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from adjudge.log import ORIGIN, Commit, Kind
from adjudge.log.codec import FORMAT, Again, Block, Changes, Events, Made, Note, Table, Texts, pack, unpack
from adjudge.log.segment import Segment, segment_of

GOLDEN = Path(__file__).parent / "golden"

_IDS = Texts.pack([b"p1", "pü".encode()])
_MADE = [Made("card", b"\x01\x02\x03\x04", np.array([0.5, np.nan, -0.0, 1e300]).tobytes())]

BATCHES: list[list[Block]] = [
    [
        Events("payment", "schema", _IDS, Texts.pack([b"{}", b'{"a":1}']), np.array([1.5, 2.5]).tobytes(), _MADE),
        Events("login", "schema", Texts.pack([b"l1"]), Texts.pack([b"{}"]), b""),
    ],
    [
        Changes(Kind.LABEL, "payment", _IDS, ["fraud", "fraud"], np.array([1.0, 0.0]).tobytes(), "desk"),
        Changes(Kind.RETRACTION, "payment", _IDS),
        Changes(Kind.OUTCOME, "payment", _IDS, ["step_up"] * 2, np.ones(2).tobytes(), texts=["passed", "failed"]),
    ],
    [Table("payment", 3, b"PAR1"), Note(Kind.LISTS, b'{"vip":["ada"]}', "bo", "asked for", b"\x00")],
    [Again("payment", Texts.pack([b"p1"]), np.array([0], "<i8").tobytes(), _MADE[0])],
]
"""Blocks of every kind, by commit."""

SHORTER: list[Block] = [
    Changes(Kind.LABEL, "payment", _IDS, ["fraud", "fraud"], np.array([1.0, 0.0]).tobytes(), "desk"),
    Note(Kind.LISTS, b"{}", "bo", "asked for"),
]
"""What blocks are that were written before they had their last member."""

SHORTER_PAYLOAD = bytes.fromhex(
    "0192970202a77061796d656e7492c4080200000005000000c405703170c3bc92a56672617564a56672617564c410000000000000f03f00"
    "00000000000000a46465736b950405c4027b7da2626fa961736b656420666f72"
)


def commits() -> list[Commit]:
    """Return the batches as a log."""
    made: list[Commit] = []
    link, first = ORIGIN, 0
    for blocks in BATCHES:
        count = sum(map(len, blocks))
        made.append(Commit.after(link, first, count=count, received_at=5 + first, payload=pack(blocks)))
        link, first = made[-1].link, first + count
    return made


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_what_was_written_is_read(path: Path) -> None:
    """Payloads and segments of every format, with the links that cover them; the present one is written the same."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    payloads = [bytes.fromhex(text) for text in kept["payloads"]]
    assert [unpack(payload) for payload in payloads] == BATCHES
    found = list(Segment(bytes.fromhex(kept["segment"])).commits())
    assert [commit.payload for commit in found] == payloads
    assert [commit.link.hex() for commit in found] == kept["links"]
    if path.stem == f"format-{FORMAT}":
        assert found == commits()


def test_the_present_format_has_its_golden_file() -> None:
    assert (GOLDEN / f"format-{FORMAT}.json").is_file()


def test_a_member_that_a_block_was_written_before_is_left_at_its_default() -> None:
    """A payload from before changes had `texts` and notes had `data`."""
    assert unpack(SHORTER_PAYLOAD) == SHORTER
    assert len(SHORTER_PAYLOAD) < len(pack(SHORTER))


def golden() -> str:
    """Return what the present version writes, as a file."""
    made = commits()
    kept = {
        "payloads": [commit.payload.hex() for commit in made],
        "links": [commit.link.hex() for commit in made],
        "segment": segment_of(made).hex(),
    }
    return json.dumps(kept, indent=1) + "\n"


if __name__ == "__main__":
    print(golden(), end="")

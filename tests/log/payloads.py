"""Payloads of every kind, as hypothesis draws them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from adjudge.log import ORIGIN, Commit, Kind
from adjudge.log.codec import Block, Changes, Events, Made, Note, Table, Texts, pack

WIDTHS = {"payment": 3, "login": 1}
"""Slots of the encoded fields of each stream."""


@st.composite
def events(draw: st.DrawFn) -> Events:
    """Draw a block of events of one of two streams."""
    n = draw(st.integers(1, 5))
    stream = draw(st.sampled_from(sorted(WIDTHS)))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    texts = st.lists(st.binary(max_size=9), min_size=n, max_size=n)
    made = [
        Made(card, rng.bytes(width * n), rng.normal(size=(4, n)).round(1).tobytes())
        for card, width in draw(st.sampled_from([(), (("a", 6),), (("a", 6), ("b", 0))]))
    ]
    fields = rng.normal(size=(WIDTHS[stream], n)).round(1)
    ids = Texts.pack([f"{stream}{i}".encode() for i in range(n)])
    return Events(stream, draw(st.sampled_from(["s1", "s2"])), ids, Texts.pack(draw(texts)), fields.tobytes(), made)


@st.composite
def changes(draw: st.DrawFn) -> Changes:
    """Draw a block of labels."""
    n = draw(st.integers(1, 3))
    ids = Texts.pack([b"payment%d" % i for i in range(n)])
    if draw(st.booleans()):
        return Changes(Kind.LABEL, "payment", ids, ["fraud"] * n, np.ones(n).tobytes(), "desk")
    texts = draw(st.lists(st.sampled_from(["", "passed", "failed"]), min_size=n, max_size=n))
    return Changes(Kind.OUTCOME, "payment", ids, ["step_up"] * n, np.ones(n).tobytes(), texts=texts)


blocks: st.SearchStrategy[Block] = st.one_of(
    events(),
    events(),
    changes(),
    st.builds(Table, st.just("payment"), st.integers(1, 9), st.binary(max_size=20)),
    st.builds(Note, st.just(int(Kind.LISTS)), st.just(b"{}"), st.text(max_size=3)),
)


@st.composite
def chains(draw: st.DrawFn, max_size: int = 12) -> list[Commit]:
    """Draw consecutive commits: most hold one block of events, some several blocks, some nothing that is known."""
    end = Commit.after(ORIGIN, draw(st.integers(0, 99)), count=1, received_at=0, payload=b"").end
    commits = []
    for _ in range(draw(st.integers(1, max_size))):
        some = draw(st.one_of(st.lists(blocks, min_size=1, max_size=1), st.lists(blocks, max_size=3), st.none()))
        payload = draw(st.binary(max_size=20)) if some is None else pack(some)
        count = max(1, sum(map(len, some or ())))
        received = draw(st.integers(-(2**40), 2**60))
        commits.append(Commit.after(end.link, end.position, count=count, received_at=received, payload=payload))
        end = commits[-1].end
    return commits

"""What is around an event is drawn with words for every mark, and no text of it becomes markup."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from adjudge.console.parts.graph import graph, small
from adjudge.console.parts.map import places
from adjudge.console.parts.normal import normal
from adjudge.console.parts.timeline import timeline
from adjudge.log import Kind
from adjudge.service.around.desk import AroundDesk
from adjudge.service.around.linked import Linked
from adjudge.service.around.view import Around, Spot
from adjudge.service.cases.desk import CaseDesk
from adjudge.service.changed import Change
from tests.console.people import WICKED
from tests.console.test_chart import Drawn
from tests.service.shop import START, Shop, purchase

ACTIONS = ["approve", "review", "block"]


def around(user: str = "ada", card: str = "c1") -> Around:
    """Return what is around the third of four purchases; the first turned out to be fraud after it."""
    shop = Shop(at=START + timedelta(hours=9))
    for i, (lat, lon) in enumerate([(52.5, 13.4), (52.6, 13.3), (38.7, -9.1), (38.8, -9.2)]):
        id_ = f"{i}{user}"
        place = {"lat": lat, "lon": lon}
        amount = f"{10 ** (i + 1)}.00"
        row = purchase(
            id_, START + timedelta(hours=2 * i), user=user, card=card, amount=amount, method=card, place=place
        )
        shop.decide(row)
    shop.decider.change([Change(Kind.LABEL, "purchase", f"p0{user}", "fraud", 1.0)])
    return AroundDesk(shop.decider, CaseDesk(shop.decider)).around(f"p2{user}")


def linked(user: str = "ada", card: str = "c1") -> Linked:
    """Return who is linked to a user who shares a card with somebody; an event of both turned out to be fraud."""
    shop = Shop()
    shop.decide(purchase(1, user=user, card=card), purchase(2, user="bob", card=card), purchase(3, user=user))
    shop.decider.change([Change(Kind.LABEL, "purchase", "p1", "fraud", 1.0)])
    return AroundDesk(shop.decider, CaseDesk(shop.decider)).linked("user", user)


def test_every_entity_leads_to_the_drawing_with_itself_in_the_middle() -> None:
    drawn = Drawn(graph(linked()))
    links = [attrs for name, attrs in drawn.elements if name == "a"]
    entities = [("user", "ada"), ("card", "c1"), ("user", "bob")]
    assert [link["href"] for link in links] == [
        f"/console/linked?field={field}&value={value}&system=shop" for field, value in entities
    ]
    assert [link["aria-label"] for link in links] == [
        "user ada · 2 decisions · 1 known fraud",
        "card c1 · 2 decisions · 1 known fraud",
        "user bob · 1 decisions",
    ]
    assert [link["aria-current"] for link in links if "aria-current" in link] == ["true"]
    assert (len(drawn.of("tie")), len(drawn.of("true"))) == (2, 1)
    assert "Walk from here" in Drawn(small(linked())).texts
    assert "nobody" in small(None)


def test_the_event_is_marked_among_what_is_usual() -> None:
    drawn = Drawn(normal(around()))
    assert len(drawn.of("here")) == 2
    assert "100 to 200 EUR: 1 events" in drawn.texts
    assert "1,000 to 2,000 EUR: 0 events, and this one" in drawn.texts
    assert "16:00 to 16:59: 0 events, and this one" in drawn.texts
    labels = [attrs["aria-label"] for name, attrs in drawn.elements if name == "svg"]
    assert labels[0] == "Amounts: 1,000.00 EUR here: more than 100.0 % of them"


def test_every_event_of_the_time_line_leads_to_its_decision_and_says_what_it_is() -> None:
    drawn = Drawn(timeline(around(), ACTIONS))
    links = [attrs for name, attrs in drawn.elements if name == "a"]
    assert [link["href"] for link in links] == [f"/console/decision?id=p{i}ada&system=shop" for i in range(4)]
    told = [link["aria-label"] or "" for link in links]
    assert "fraud, which was not known then" in told[0]
    assert (told[2].endswith("this event"), told[3].endswith("came later")) == (True, True)
    assert len(drawn.of("since")) == 1
    assert len(drawn.of("event")[:4]) == 4
    blind = msgspec.structs.replace(around(), events=[msgspec.structs.replace(e, truth=True) for e in around().events])
    hidden = Drawn(timeline(blind, ACTIONS, blind=True))
    assert len(hidden.of("fraud")) == 4  # one of them is in the legend


def test_the_map_says_how_far_and_how_fast() -> None:
    one = around()
    this = one.this
    assert this is not None
    words = f"{this.km:,.1f} km at {this.kmh:,.0f} km/h from the place before it."
    drawn = Drawn(places(one))
    assert any(text.endswith(words) for text in drawn.texts)
    assert (len(drawn.of("way")), len(drawn.of("place")), len(drawn.of("here"))) == (1, 3, 2)
    for attrs in drawn.of("place"):
        assert 0 <= float(attrs["cx"]) <= 290
        assert 0 <= float(attrs["cy"]) <= 125


@pytest.mark.parametrize("lons", [(179.9, -179.9, 179.8, -179.8), (0.0, 0.0, 0.0, 0.0)])
def test_the_map_holds_places_on_both_sides_of_the_date_line_and_one_place_alone(lons: tuple[float, ...]) -> None:
    one = around()
    moved = [msgspec.structs.replace(e, place=Spot(-17.0, lon)) for e, lon in zip(one.events, lons, strict=True)]
    drawn = Drawn(places(msgspec.structs.replace(one, events=moved)))
    across = [float(attrs["cx"]) for attrs in drawn.of("place")]
    assert all(0 < x < 290 for x in across)
    assert max(across) - min(across) < 250
    assert len(drawn.of("grid")) >= 4


def test_who_has_no_past_has_no_normal() -> None:
    shop = Shop()
    shop.decide(purchase(1))
    one = AroundDesk(shop.decider, CaseDesk(shop.decider)).around("p1")
    assert "Nothing of them was known" in normal(one)
    assert "No event of theirs says where" in places(one)
    assert len(Drawn(timeline(one, ACTIONS)).of("this")) == 1


def test_no_text_becomes_markup() -> None:
    one, walked = around(WICKED, WICKED), linked(WICKED, WICKED)
    for drawn in (normal(one), timeline(one, ACTIONS), places(one), small(walked), graph(walked)):
        assert "<img" not in drawn
        assert "<script" not in drawn
        assert all(not key.startswith("on") for _, attrs in Drawn(drawn).elements for key in attrs)

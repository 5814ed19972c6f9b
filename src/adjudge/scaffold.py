"""The folder of a new system: small, complete, and running as it is, to be changed piece by piece."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from string import Template

from adjudge.errors import InputError

_DEFINITION = Template('''\
"""The $name system: what is decided, what is known about it, and what is done."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from adjudge.define import (
    Category,
    Costs,
    Event,
    Id,
    Key,
    Label,
    Money,
    Number,
    Policy,
    Rules,
    System,
    Time,
    days,
    feature,
    field,
    hours,
)


class $event(Event):
    """What is decided; rename and extend the fields."""

    ${name}_id: Id
    at: Time
    customer: Key
    amount: Money = field(minimum=0)
    kind: Category | None
    weight: Number | None


customer = $event.by("customer")


def system(lists: Mapping[str, Collection[str | float]] | None = None) -> System:
    """Return the system; lists are named lists of texts or numbers that rules may ask."""
    return System(
        name="$name",
        decides=$event,
        label=Label("bad", delay=days(7)),
        features=[
            customer.count(hours(1), days(1), days(30)),
            customer.sum("amount", days(1)),
            customer.mean("amount", days(30)),
            customer.std("amount", days(30)),
            customer.since_last(),
            customer.rate("bad", days(30)),
            feature("amount_zscore", "(amount - customer_amount_mean_30d) / customer_amount_std_30d"),
        ],
        rules=Rules.load(Path(__file__).with_name("rules.yaml")),
        policy=Policy(costs=Costs()),
        lists=dict(lists or {}),
        amount="amount",
        card="customer",
    )
''')

_RULES = """\
version: 1
rules:
  - id: too_many
    when: customer_count_1h > 10
    action: review
    reason: "{customer_count_1h:.0f} within an hour."
    confidence: 0.8
  - id: far_above_usual
    when: amount_zscore > 10
    action: block
    reason: "{amount:.2f} against a usual {customer_amount_mean_30d:.2f}."
    confidence: 0.95
"""

_README = Template("""\
# $name

- `definition.py`: the events, features and policy. `rules.yaml`: the rules. `data.py`: where its data comes from.
- `adjudge check --system $name` compiles it and names every mistake.
- `adjudge train bundle --system $name --data FOLDER` trains it on a folder with `${stream}.parquet` and
  `labels_bad.parquet` (`${name}_id`, `value`, `known_at`).
- `adjudge serve --system $name --bundle bundle --auth off` serves it to this machine; the API is at `/docs`.
- `adjudge verify --system $name --data FOLDER` proves that all ways in agree.
""")

_DATA = Template('''\
"""Where the data of $name comes from."""

from __future__ import annotations

from pathlib import Path

from adjudge.discover import find
from adjudge.learn.source import Source, read_streams


def read(path: Path) -> Source:
    """Return events and labels from a folder or file."""
    return read_streams(find(str(Path(__file__).parent)).build({}), path)
''')


def scaffold(name: str, folder: Path) -> list[Path]:
    """Make the folder of a new system and return its files.

    Parameters
    ----------
    name
        An identifier in lower case; the folder is called so.
    folder
        Where it is made.

    Raises
    ------
    InputError
        If the name cannot be used or the folder is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        msg = f"a system's name is an identifier in lower case such as refunds, not {name!r}"
        raise InputError(msg, field="name")
    home = folder / name
    if home.exists():
        msg = f"{home} is there already and is left alone"
        raise InputError(msg, field="name")
    event = "".join(part.capitalize() for part in name.split("_")) + "Event"
    words = {"name": name, "event": event, "stream": f"{name}_event"}
    files = {
        "definition.py": _DEFINITION.substitute(words),
        "rules.yaml": _RULES,
        "data.py": _DATA.substitute(words),
        "README.md": _README.substitute(words),
    }
    home.mkdir(parents=True)
    made = []
    for file, text in files.items():
        made.append(home / file)
        made[-1].write_text(text, encoding="utf-8")
    return made

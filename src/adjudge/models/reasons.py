"""Sentences for people: what pushed a score up, with the value and what is normal for this customer.

A decision carries codes and numbers only: the code of a model's reason is the name of the feature, which
never changes its meaning. Sentences are made when somebody reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from adjudge.engine.scorer import Scores
from adjudge.engine.words import normal_of


@dataclass(frozen=True, slots=True)
class About:
    """What a sentence should know of a feature.

    Parameters
    ----------
    meaning
        The feature in words, such as ``payments of the user in the last hour``; empty for its name.
    unit
        Put behind the number, such as ``EUR`` or ``km/h``.
    normal
        The features that say what is usual for the customer: a mean, and its standard deviation or None.
    decimals
        Digits behind the point; None shows what is needed, at most four significant ones.
    """

    meaning: str = ""
    unit: str = ""
    normal: tuple[str, str | None] | None = None
    decimals: int | None = None


def normals(names: Iterable[str]) -> dict[str, tuple[str, str | None]]:
    """Find for each field the features that hold its usual value, by the rule that features are named by.

    The normal of a field ``x`` is the mean ``{entity}_x_mean_{window}`` with the longest window, with the
    standard deviation over the same window where there is one.

    Examples
    --------
    >>> normals(["amount", "user_amount_mean_7d", "user_amount_mean_30d", "user_amount_std_30d"])
    {'amount': ('user_amount_mean_30d', 'user_amount_std_30d')}
    """
    known = list(dict.fromkeys(names))
    found = {name: normal_of(name, known) for name in sorted(known)}
    return {name: normal for name, normal in found.items() if normal is not None}


def shown(value: float | str | None, unit: str = "", decimals: int | None = None) -> str:
    """Return a value as people read it.

    Examples
    --------
    >>> shown(14.0), shown(0.123456), shown(812.0, "EUR", 2), shown(float("nan")), shown("wire")
    ('14', '0.1235', '812.00 EUR', 'missing', 'wire')
    """
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "missing"
    if isinstance(value, str):
        text = value
    elif decimals is not None:
        text = f"{value:.{decimals}f}"
    elif float(value).is_integer() and abs(value) < 1e15:
        text = f"{int(value)}"
    else:
        text = f"{value:.4g}"
    return f"{text} {unit}" if unit else text


@dataclass(frozen=True)
class Sentences:
    """Reasons in words.

    Parameters
    ----------
    about
        What is known of each feature; what is not listed is told by its name.

    Examples
    --------
    >>> say = Sentences({"amount": About(normal=("user_amount_mean_30d", "user_amount_std_30d"), decimals=2)})
    >>> values = {"amount": 812.0, "user_amount_mean_30d": 40.1, "user_amount_std_30d": 22.0}
    >>> say.sentence("user_count_1h", {"user_count_1h": 14.0})
    'user_count_1h is 14 (pushes risk up)'
    """

    about: Mapping[str, About] = field(default_factory=dict)

    def sentence(self, code: str, values: Mapping[str, float | str | None], contribution: float = 1.0) -> str:
        """Return the sentence for one reason.

        Parameters
        ----------
        code
            The feature.
        values
            Values of the event by name; texts as themselves.
        contribution
            What the feature added to the margin; its sign says which way it pushes.
        """
        about = self.about.get(code, About())
        words = about.meaning or code
        value = shown(values.get(code), about.unit, about.decimals)
        usual = self._usual(about, values)
        if usual and value != "missing":
            return f"{words} {value} against a usual {usual}"
        way = "up" if contribution >= 0 else "down"
        return f"{words}{':' if about.meaning else ' is'} {value} (pushes risk {way})"

    def _usual(self, about: About, values: Mapping[str, float | str | None]) -> str:
        if about.normal is None:
            return ""
        mean, std = (shown(values.get(name), "", about.decimals) if name else "missing" for name in about.normal)
        if mean == "missing":
            return ""
        spread = "" if std == "missing" else f" +- {std}"
        return f"{mean}{spread} {about.unit}".rstrip()

    def of(self, scores: Scores, i: int, names: Sequence[str], values: Mapping[str, float | str | None]) -> list[str]:
        """Return the sentences of one scored event, the largest push first.

        Parameters
        ----------
        scores
            What the scorer said.
        i
            Which event.
        names
            The scorer's names.
        values
            Values of the event by name.
        """
        pairs = zip(scores.top[i].tolist(), scores.top_value[i].tolist(), strict=True)
        return [self.sentence(names[top], values, pushed) for top, pushed in pairs if top >= 0]

"""Settings that can be searched: an estimator says what it would try, whoever searches says which of it comes next.

What is tried is drawn from a *trial*, which has the manners of Optuna's. Anything with these manners will do; nothing
here imports Optuna.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable


class Trial(Protocol):
    """Chooses values: the next to try."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return a whole number from `low` to `high`, both included."""
        ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Return a number from `low` to `high`."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of some values."""
        ...


@runtime_checkable
class Searchable(Protocol):
    """An estimator whose settings can be searched."""

    def search(self, trial: Trial) -> dict[str, Any]:
        """Return settings by the names of its parameters, each drawn from the trial under the same name."""
        ...

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""
        ...

    def set_params(self, **parameters: Any) -> Any:
        """Set parameters by name."""
        ...


class Chosen:
    """A trial that draws some settings from another one, keeps the rest as they are, and notes all their names.

    Parameters
    ----------
    estimator
        Whose settings are kept.
    trial
        What the others are drawn from; None keeps all.
    names
        Which are drawn.

    Examples
    --------
    >>> from adjudge.models.trees import Trees
    >>> searched(Trees())[:3]
    ('n_trees', 'depth', 'rate')
    """

    def __init__(self, estimator: Searchable, trial: Trial | None = None, names: Collection[str] = ()) -> None:
        self.settings = estimator.get_params()
        self.trial = trial
        self.drawn = frozenset(names)
        self.names: list[str] = []

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Draw or keep a whole number."""
        trial, kept = self._of(name), self.settings[name]
        return kept if trial is None else trial.suggest_int(name, low, high, step=step, log=log)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Draw or keep a number."""
        trial, kept = self._of(name), self.settings[name]
        return kept if trial is None else trial.suggest_float(name, low, high, step=step, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw or keep one of some values."""
        trial = self._of(name)
        return self.settings[name] if trial is None else trial.suggest_categorical(name, choices)

    def _of(self, name: str) -> Trial | None:
        self.names.append(name)
        return self.trial if name in self.drawn else None


class Inside:
    """A trial for an estimator inside another: each name is preceded by that of the estimator and two underscores.

    Parameters
    ----------
    trial
        What is drawn from.
    name
        Of the estimator.
    """

    def __init__(self, trial: Trial, name: str) -> None:
        self.trial = trial
        self.name = name

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Draw a whole number."""
        return self.trial.suggest_int(f"{self.name}__{name}", low, high, step=step, log=log)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Draw a number."""
        return self.trial.suggest_float(f"{self.name}__{name}", low, high, step=step, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Draw one of some values."""
        return self.trial.suggest_categorical(f"{self.name}__{name}", choices)


def search_inside(estimators: Mapping[str, object], trial: Trial) -> dict[str, Any]:
    """Return the settings that estimators inside another would try; those that offer none keep what they have.

    Parameters
    ----------
    estimators
        By the names under which their parameters are reached.
    trial
        What is drawn from.

    Examples
    --------
    >>> from adjudge.models.families import Families
    >>> searched(Families({"left": ["a"]}))[:2]
    ('estimator__n_trees', 'estimator__depth')
    """
    found: dict[str, Any] = {}
    for name, one in estimators.items():
        if isinstance(one, Searchable):
            found |= {f"{name}__{setting}": value for setting, value in one.search(Inside(trial, name)).items()}
    return found


def searched(estimator: Searchable) -> tuple[str, ...]:
    """Return the names of the settings that an estimator would search."""
    kept = Chosen(estimator)
    estimator.search(kept)
    return tuple(kept.names)

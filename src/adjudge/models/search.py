"""Settings that can be searched: an estimator says what it would try, whoever searches says which of it comes next.

What is tried is drawn from a *trial*, which has the manners of Optuna's. Anything with these manners will do; nothing
here imports Optuna.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
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


def searched(estimator: Searchable) -> tuple[str, ...]:
    """Return the names of the settings that an estimator would search."""
    kept = Chosen(estimator)
    estimator.search(kept)
    return tuple(kept.names)

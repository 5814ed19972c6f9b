"""A study: the trials of one search, kept in a SQLite file, so that a search that was killed goes on where it was.

Which settings come next depends on the seed and on the trials that have ended or failed, and on nothing else. So a
search that was interrupted tries the same as one that was not, and settings that cannot be trained are not drawn for
ever.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from adjudge.errors import InputError, UnavailableError

if TYPE_CHECKING:
    import optuna

NAME = "adjudge"
"""Name of the one study in a file."""

QUESTION = "question"
"""Attribute of a study that holds what is searched, on what."""

FAILED = "failed"
"""Attribute of a trial that says why it could not be brought to an end; one that was killed has none."""

SETTLED = 5
"""Trials that go through all folds before one is given up early."""


@dataclass(frozen=True)
class Study:
    """Trials in a file.

    Parameters
    ----------
    inner
        Optuna's study.
    seed
        Of everything drawn.
    """

    inner: optuna.Study
    seed: int

    def ended(self) -> list[optuna.trial.FrozenTrial]:
        """Return the trials that have ended, given up ones included, in their order."""
        from optuna.trial import TrialState

        return self.inner.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))

    def failed(self) -> list[optuna.trial.FrozenTrial]:
        """Return the trials whose settings could not be trained, in their order; those that were killed are none."""
        from optuna.trial import TrialState

        every = self.inner.get_trials(deepcopy=False, states=(TrialState.FAIL,))
        return [one for one in every if FAILED in one.user_attrs]

    @property
    def done(self) -> int:
        """How many trials have ended or failed."""
        return len(self.ended()) + len(self.failed())

    def ask(self) -> optuna.Trial:
        """Begin the next trial."""
        import optuna

        self.inner.sampler = optuna.samplers.TPESampler(seed=self._seed(self.done), constant_liar=False)
        return self.inner.ask()

    def complete(self, trial: optuna.Trial, value: float) -> None:
        """End a trial with its figure."""
        self.inner.tell(trial, value)

    def give_up(self, trial: optuna.Trial) -> None:
        """End a trial that lies below the others already."""
        from optuna.trial import TrialState

        self.inner.tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: optuna.Trial, why: str) -> None:
        """End a trial whose settings cannot be trained."""
        from optuna.trial import TrialState

        trial.set_user_attr(FAILED, why)
        self.inner.tell(trial, state=TrialState.FAIL)

    def _seed(self, done: int) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}/{done}".encode()).digest()[:4], "little")


@contextmanager
def opened(path: Path, question: Mapping[str, Any], *, seed: int, fresh: bool = False) -> Iterator[Study]:
    """Open the study in a file, which is made if it is not there.

    Parameters
    ----------
    path
        The file.
    question
        What is searched, on what: JSON values by name.
    seed
        Of everything drawn.
    fresh
        Whether trials of before are thrown away.

    Raises
    ------
    UnavailableError
        If Optuna is not installed.
    InputError
        If the file is something else, or holds the trials of another search.
    """
    optuna = _optuna()
    from sqlalchemy.exc import DatabaseError

    _check_own(path)
    if fresh:
        path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    except DatabaseError as error:
        msg = f"{path} holds no trials and cannot be made to: {error.orig}"
        raise InputError(msg, field="study", code="unreadable_file") from error
    try:
        inner = optuna.create_study(
            storage=storage,
            study_name=NAME,
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=SETTLED),
        )
        _same(inner, question, path)
        for stale in inner.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            inner.tell(stale.number, state=optuna.trial.TrialState.FAIL)
        yield Study(inner, seed)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _check_own(path: Path) -> None:
    """Refuse a file that is there and holds anything but a study: it would be written into, or thrown away."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True)) as file:
            tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            own = "studies" in tables
            names = {name for (name,) in file.execute("SELECT study_name FROM studies")} if own else set()
    except sqlite3.Error as error:
        msg = f"{path} holds no trials and cannot be made to: {error}"
        raise InputError(msg, field="study", code="unreadable_file") from error
    if (tables and not own) or names - {NAME}:
        msg = f"{path} holds something else than trials of adjudge tune and is left alone; name another --study"
        raise InputError(msg, field="study", code="other_file")


def _same(inner: optuna.Study, question: Mapping[str, Any], path: Path) -> None:
    """Write down what is searched, or hold it to what was written down."""
    known = inner.user_attrs.get(QUESTION)
    if known is None:
        inner.set_user_attr(QUESTION, dict(question))
        return
    for name, value in question.items():
        if known.get(name) != value:
            msg = f"{path.name} holds trials of another search: its {name} is {known.get(name)!r}, not {value!r}; "
            raise InputError(msg + "name another --study, or begin it --fresh", field="study", code="other_study")


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        msg = "searching settings needs Optuna, which is not installed: pip install 'adjudge[tune]'"
        raise UnavailableError(msg) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna

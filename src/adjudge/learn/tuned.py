"""What a search of settings came to, as a file that training reads."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import msgspec

from adjudge.errors import InputError, did_you_mean
from adjudge.learn.bootstrap import Interval


class Tried(msgspec.Struct, frozen=True):
    """One trial.

    Parameters
    ----------
    number
        Which one, from 0.
    parameters
        The settings.
    value
        The figure's mean over the folds that it went through.
    folds
        How many those were.
    given_up
        Whether it was ended early because it lay below the others.
    seconds
        How long it took.
    """

    number: int
    parameters: dict[str, Any]
    value: float
    folds: int
    given_up: bool
    seconds: float


class Failed(msgspec.Struct, frozen=True):
    """One trial whose settings could not be trained.

    Parameters
    ----------
    parameters
        The settings.
    why
        What went wrong.
    """

    parameters: dict[str, Any]
    why: str


class Fold(msgspec.Struct, frozen=True):
    """A stretch of the validation part that trials were judged on.

    Parameters
    ----------
    start, end
        From when to when, microseconds UTC.
    events, positives
        How many labelled events it holds, and how many of them positive.
    """

    start: int
    end: int
    events: int
    positives: int


class Tuned(msgspec.Struct, frozen=True):
    """What a search came to.

    Parameters
    ----------
    system, estimator
        Whose settings they are: the system's name, and the class of its estimator.
    parameters
        The best settings: those of the best trial, or none where nothing was better than the settings as they were.
    metric
        The figure that they are best by.
    value
        The figure with these settings, with its interval over resampled entities.
    before
        The same with the settings as they were.
    folds
        What trials were judged on.
    trials
        All that were tried, in order.
    question
        What was searched, on what.
    failed
        Trials that could not be trained.
    """

    system: str
    estimator: str
    parameters: dict[str, Any]
    metric: str
    value: Interval
    before: Interval
    folds: list[Fold]
    trials: list[Tried]
    question: dict[str, Any]
    failed: list[Failed] = []

    def write(self, path: Path) -> None:
        """Write it as JSON; whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".part")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
        draft.replace(path)

    def apply(self, system: str, estimator: Any) -> Any:
        """Return a copy of an estimator with the best settings.

        Parameters
        ----------
        system
            Name of the system that is trained.
        estimator
            Its estimator.

        Raises
        ------
        InputError
            If they were found for another system or another estimator.
        DefinitionError
            If the estimator has no such setting.
        """
        for what, name, given in (
            ("system", self.system, system),
            ("estimator", self.estimator, type(estimator).__name__),
        ):
            if name != given:
                msg = f"the settings were found for {what} {name!r}, not {given!r}{did_you_mean(name, [given])}"
                raise InputError(msg, field=what, code="other_settings")
        made = copy.deepcopy(estimator)
        made.set_params(**self.parameters)
        return made


def read(path: Path) -> Tuned:
    """Return what a search wrote.

    Raises
    ------
    InputError
        If there is no such file or it holds something else.
    """
    if not path.is_file():
        msg = f"there is no file {path.name!r}"
        raise InputError(msg, field="tuned", code="no_file")
    try:
        return msgspec.json.decode(path.read_bytes(), type=Tuned)
    except msgspec.MsgspecError as error:
        msg = f"{path.name} holds no settings that a search found: {error}"
        raise InputError(msg, field="tuned", code="unreadable_file") from error

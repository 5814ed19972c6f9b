"""The cases of a running service, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from adjudge.service.access.remote import RemoteDesk
from adjudge.service.cases.asked import Assign, Decide, Defer, Escalate, HandBack, Limit, Next, Undo, Which, Work, Write
from adjudge.service.cases.people import PeopleList
from adjudge.service.cases.spent import DAYS
from adjudge.service.cases.view import CaseDetail, CasePage, CaseView, DoneList, Summary


class RemoteCases(RemoteDesk):
    """The cases of a service; see `RemoteDesk` and `adjudge.service.cases.desk.CaseDesk`."""

    def cases(self, which: Which, limit: int, start: int, system: str | None) -> CasePage:
        """Return cases in order."""
        return self._ask("GET", _with("/v1/cases", {"which": which, "limit": limit, "start": start}, system), CasePage)

    def case(self, id_: str, system: str | None) -> CaseDetail:
        """Return a case with its decision."""
        return self._ask("GET", _with(f"/v1/cases/one/{quote(id_)}", {}, system), CaseDetail)

    def summary(self, system: str | None, days: float = DAYS) -> Summary:
        """Return how review goes."""
        return self._ask("GET", _with("/v1/cases/summary", {"days": days}, system), Summary)

    def people(self, system: str | None, days: float = DAYS) -> PeopleList:
        """Return who gave verdicts lately."""
        return self._ask("GET", _with("/v1/cases/people", {"days": days}, system), PeopleList)

    def next(self, asked: Next) -> CaseView | None:
        """Get the next case."""
        return self._ask("POST", "/v1/cases/next", CaseView | None, asked)  # type: ignore[arg-type]

    def assign(self, asked: Assign) -> DoneList:
        """Give cases to somebody."""
        return self._ask("POST", "/v1/cases/assign", DoneList, asked)

    def release(self, asked: HandBack) -> DoneList:
        """Give cases back."""
        return self._ask("POST", "/v1/cases/release", DoneList, asked)

    def note(self, asked: Write) -> DoneList:
        """Write something about cases."""
        return self._ask("POST", "/v1/cases/note", DoneList, asked)

    def due(self, asked: Limit) -> DoneList:
        """Give cases another deadline."""
        return self._ask("POST", "/v1/cases/due", DoneList, asked)

    def decide(self, asked: Decide) -> DoneList:
        """Decide cases."""
        return self._ask("POST", "/v1/cases/decide", DoneList, asked)

    def undo(self, asked: Undo) -> DoneList:
        """Take one's last verdict about cases back."""
        return self._ask("POST", "/v1/cases/undo", DoneList, asked)

    def defer(self, asked: Defer) -> DoneList:
        """Keep cases in hand until more is known."""
        return self._ask("POST", "/v1/cases/defer", DoneList, asked)

    def escalate(self, asked: Escalate) -> DoneList:
        """Pass cases on to somebody who knows more."""
        return self._ask("POST", "/v1/cases/escalate", DoneList, asked)

    def work(self, asked: Work) -> Summary:
        """Have cases worked in another way."""
        return self._ask("POST", "/v1/cases/routine", Summary, asked)


def _with(path: str, parameters: Mapping[str, object], system: str | None) -> str:
    """Return a path with its parameters."""
    given = dict(parameters) if system is None else {**parameters, "system": system}
    return f"{path}?{urlencode(given)}" if given else path

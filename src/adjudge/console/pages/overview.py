"""The overview: what the service decides now, how fast, what is missing, and how its log is; live."""

from __future__ import annotations

from collections import deque

from nicegui import ui

from adjudge.console import said
from adjudge.console.desk import Desk
from adjudge.console.markup import Child, Markup, tag
from adjudge.console.page import Page, Query
from adjudge.service.access.routes import Door
from adjudge.service.access.scope import Scope
from adjudge.service.health import Health
from adjudge.service.now import Now, degraded_share, now, rate_per_s, stages_between

EVERY_S = 2.0
"""How often the page looks anew."""

SPAN = 30
"""Looks that rates and latencies are of: the last minute."""

STARTS = (
    (Scope.REVIEW, "/decisions", "Search decisions", "by id, customer or amount"),
    (Scope.MANAGE, "/rules", "Write rules", "check and try them before they decide"),
    (Scope.MANAGE, "/releases", "Approve", "what waits for a second person"),
)
"""Where one can begin, with what it takes."""


async def show(desk: Desk, query: Query) -> None:
    """Build the page."""
    begins = [
        tag("li", tag("a", name, href=f"/console{path}"), tag("span", f" {what}", class_="quiet"))
        for need, path, name, what in STARTS
        if desk.may(need)
    ]
    if not desk.may(Scope.AUDIT):
        health = _health(desk.service.gauges.health())
        ui.html(said.panels(said.panel("Service", health, width=6), _begin(begins)), sanitize=False)
        return
    looks: deque[Now] = deque([await desk.read(Scope.AUDIT, now, desk.service)], maxlen=SPAN)
    shown = ui.html(_figures(looks, begins), sanitize=False)

    async def refresh() -> None:
        looks.append(await desk.watch(Scope.AUDIT, now, desk.service))
        shown.set_content(_figures(looks, begins))

    ui.timer(EVERY_S, refresh, immediate=False)


def _begin(begins: list[Markup]) -> Markup:
    empty = tag("p", "Your key may send events; people's pages need other scopes.", class_="quiet")
    return said.panel("Begin with", tag("ul", begins, class_="plain") if begins else empty, width=6)


def _health(health: Health) -> Markup:
    severity = "low" if health.ready else "high"
    return said.facts(
        [
            ("State", said.mark(health.state, severity)),
            ("Since", said.at(health.since)),
            ("Systems", ", ".join(health.systems)),
            *([("Detail", health.detail)] if health.detail else []),
        ]
    )


def _figures(looks: deque[Now], begins: list[Markup]) -> Markup:
    last, first = looks[-1], looks[0]
    rate = rate_per_s(first, last)
    degraded = degraded_share(None, last)
    span = f"over the last {(last.at_us - first.at_us) / 1e6:.0f} s"
    figures = (
        said.figure(f"decided {span}", said.NOTHING if rate is None else f"{rate:,.1f}", "/s"),
        said.figure("decided since the start", f"{last.decisions:,}"),
        said.figure("of them degraded", said.share(degraded)),
        said.figure("waiting to be decided", f"{last.waiting:,}", "events"),
        said.figure("waiting for their event", f"{last.waiting_changes:,}", "labels"),
        said.figure("batches failed", f"{last.failures:,}"),
    )
    return said.panels(
        said.panel("Now", tag("div", figures, class_="figures")),
        said.panel("Latency by stage", _stages(first, last), width=6),
        said.panel("Decisions since the start", _decisions(last), width=6),
        said.panel("Log", _log(last), width=4),
        said.panel("Degraded and refused", _trouble(last), width=4),
        said.panel("Service", _health(last.health), tag("ul", begins, class_="plain after"), width=4),
    )


def _stages(first: Now, last: Now) -> Markup:
    lately = {stage.name: stage for stage in stages_between(first, last)}
    rows = [
        (stage.name, f"{stage.times:,}", _ms(stage.mean_ms), _ms(stage.p99_ms), _ms(lately[stage.name].p99_ms))
        for stage in stages_between(None, last)
    ]
    heads = ("Stage", "Batches", "Mean, ms", "p99 at most, ms", "Last minute p99, ms")
    return said.table(heads, rows, caption="Since the start", numbers=frozenset((1, 2, 3, 4)))


def _ms(value: float | None) -> str:
    return said.NOTHING if value is None else f"{value:,.3g}"


def _decisions(last: Now) -> Child:
    if not last.made:
        return tag("p", "Nothing has been decided since the service started.", class_="quiet")
    totals: dict[str, int] = {}
    for (system, _), count in last.made.items():
        totals[system] = totals.get(system, 0) + count
    rows = [
        (f"{system}: {action}", f"{count:,}", said.share(count / totals[system]), _bar(count / totals[system]))
        for (system, action), count in sorted(last.made.items())
    ]
    heads = ("Decision", "Count", "Share", "Share, drawn")
    return said.table(heads, rows, caption="By system and action", numbers=frozenset((1, 2)))


def _bar(share: float) -> Markup:
    return tag("meter", min=0, max=1, value=round(share, 4), aria_label=said.share(share))


def _log(last: Now) -> Markup:
    behind = None if last.snapshot is None else last.log_entries - last.snapshot
    size = said.NOTHING if last.log_bytes is None else f"{last.log_bytes / 2**20:,.1f} MiB"
    appends = said.mark("every append succeeded", "low")
    if last.failed_appends:
        appends = said.mark(f"{last.failed_appends:,} appends failed", "high")
    return said.facts(
        [
            ("Entries", f"{last.log_entries:,}"),
            ("Size", size),
            ("Writing", appends),
            ("Newest snapshot", "none yet" if behind is None else f"{behind:,} entries ago"),
            ("Held by", last.holder or said.NOTHING),
        ]
    )


def _trouble(last: Now) -> Markup:
    rows = [(f"{system}: {layer} {how}", f"{count:,}") for (system, layer, how), count in sorted(last.degraded.items())]
    rows += [(f"refused: {code}", f"{count:,}") for code, count in sorted(last.refused.items())]
    rows += [(f"breaker of {system}: {layer}", state) for (system, layer), state in last.breakers.items()]
    if not rows:
        return tag("p", "Every decision had every layer, and nothing was refused.", class_="quiet")
    return said.table(("What", "How often"), rows, caption="Since the start", numbers=frozenset((1,)))


PAGE = Page("/overview", "Overview", Door.ANY, show, nav="Overview", group="Watch", key="o")

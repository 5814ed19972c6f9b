"""Verbs about rules: try a draft on the past, tell how rules live, show them, and say what is different between two."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import to_builtins

from adjudge.commands.archive import ArchiveOption
from adjudge.commands.figures import CAUGHT, figure, money, percent, say
from adjudge.commands.origin import DataOption, SeedOption, SimulateOption
from adjudge.commands.past import BundleOption, ExportOption, Origin, SinceOption, UntilOption, past_from
from adjudge.commands.show import as_json, err, grid, out
from adjudge.commands.workspace import LogOption, WorkspaceOption, settings_of
from adjudge.define.moment import moment_text
from adjudge.progress import Bars

if TYPE_CHECKING:
    from adjudge.define import Rules
    from adjudge.define.rulefile import Known
    from adjudge.learn.backtest import BackTest, RuleTest
    from adjudge.learn.rulereport import RuleReport
    from adjudge.service.versions.rulesets import RuleSet

rules = typer.Typer(
    help="Check, show and compare rules, try them on the past, and see how they live.\n\n"
    "Example: adjudge rules test draft.yaml --data world",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
NameOption = Annotated[
    str | None, typer.Option("--system", "-s", help="Name or folder of a system; payments unless a log says which.")
]
MinutesOption = Annotated[float, typer.Option("--review-minutes", min=0, help="Minutes that one case takes.")]
DraftArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A rule file.")]


@rules.command("test")
def try_(
    draft: DraftArgument,
    system: NameOption = None,
    data: DataOption = None,
    simulate: SimulateOption = None,
    bundle: BundleOption = None,
    export: ExportOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    archive: ArchiveOption = None,
    rule: Annotated[str | None, typer.Option("--rule", help="Tell all that is known of one rule.")] = None,
    rounds: Annotated[int, typer.Option(min=0, help="Resamples of customers behind intervals; 0 for none.")] = 200,
    examples: Annotated[int, typer.Option(min=0, help="Events named of each kind.")] = 5,
    review_minutes: MinutesOption = 5.0,
    seed: SeedOption = 7,
    json: JsonOption = False,
) -> None:
    """Say what a draft of rules would have caught, spoiled and cost, and what it adds to what decides now.

    The past is a workspace's log, a folder that adjudge export has made, or a system's own data. Only labels that are
    old enough count; what they cannot tell is said. Exit code 1 if a rule reads what the past does not hold.

    Example: adjudge rules test draft.yaml --workspace payments --since 2026-06-01

    Example: adjudge rules test draft.yaml --data world --bundle bundle --rule too_fast
    """
    from adjudge.define import Rules
    from adjudge.learn.backtest import Asked, backtest

    made = Rules.load(draft)
    names = {name for each in made.rules for name in each.when.names}
    origin = Origin(system, data, simulate, seed, bundle, export, workspace, log, since, until, archive)
    with Bars(err) as bars:
        past, hash_text = past_from(origin, names, bars)
    asked = Asked(review_minutes, rounds, examples, seed=seed)
    found = backtest(past, made, hash_text=hash_text, asked=asked)
    if json:
        as_json(found)
    elif rule is not None:
        _print_rule(_one(found, rule), found)
    else:
        _print_test(found)
    raise typer.Exit(1 if found.untested else 0)


@rules.command()
def report(
    system: NameOption = None,
    data: DataOption = None,
    simulate: SimulateOption = None,
    bundle: BundleOption = None,
    export: ExportOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    archive: ArchiveOption = None,
    dead: Annotated[int, typer.Option("--dead", min=1, help="Days without a hit after which a rule is dead.")] = 30,
    soon: Annotated[int, typer.Option("--soon", min=1, help="Days before its end when a rule expires soon.")] = 14,
    share: Annotated[
        float, typer.Option("--overlap", min=0.5, max=1, help="Share of its hits that makes a rule redundant.")
    ] = 1.0,
    least: Annotated[int, typer.Option("--hits", min=1, help="Least hits of a rule that is called redundant.")] = 10,
    review_minutes: MinutesOption = 5.0,
    seed: SeedOption = 7,
    json: JsonOption = False,
) -> None:
    """Say how the rules in force live: hits, precision, dead and redundant ones, whose they are, what expires.

    Example: adjudge rules report --workspace payments --dead 60
    """
    from adjudge.learn.rulereport import Limits, rule_report

    origin = Origin(system, data, simulate, seed, bundle, export, workspace, log, since, until, archive)
    with Bars(err) as bars:
        past, _ = past_from(origin, (), bars)
    limits = Limits(
        timedelta(days=dead), timedelta(days=soon), share, least, review_minutes, rounds=200 if json else 0, seed=seed
    )
    found = rule_report(past, limits)
    if json:
        as_json(found)
    else:
        _print_report(found)


@rules.command("show")
def show_(
    file: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False, help="A rule file.")] = None,
    version: Annotated[
        str, typer.Option("--version", help="Of a log: active, first, a position, or the beginning of a version.")
    ] = "active",
    versions: Annotated[bool, typer.Option("--versions", help="List the rule sets that a log has known.")] = False,
    system: NameOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    json: JsonOption = False,
) -> None:
    """Show the rules of a file, or those that decide or once decided in a workspace.

    Example: adjudge rules show --workspace payments --version 12000
    """
    from adjudge.service.versions.rulesets import rule_set

    if versions:
        _print_versions(_sets(workspace, log, system), json)
        return
    chosen = _loaded(file) if file is not None else rule_set(_sets(workspace, log, system), version).rules
    if json:
        as_json(chosen.document() | {"hash": chosen.version})
        return
    say(f"version {chosen.version}, {len(chosen.rules)} rules")
    for rule in chosen.rules:
        life = [f"owner {rule.owner}"] if rule.owner else []
        life += [f"expires {rule.document()['expires']}"] if rule.expires is not None else []
        life += [", ".join(rule.tags)] if rule.tags else []
        out.print(f"[bold]{rule.id}[/]: {rule.action}{', final' if rule.final else ''}, priority {rule.priority}")
        say(f"  when {rule.when}", whole=True)
        if life:
            say(f"  {'; '.join(life)}")
    for name, values in chosen.lists.items():
        say(f"list {name}: {len(values):,}")


@rules.command()
def diff(
    first: Annotated[str, typer.Argument(help="A rule file, or what --version of adjudge rules show takes.")],
    second: Annotated[str | None, typer.Argument(help="The same; without it the first is held against active.")] = None,
    system: NameOption = None,
    workspace: WorkspaceOption = None,
    log: LogOption = None,
    json: JsonOption = False,
) -> None:
    """Say in words what is different between two rule sets: files, or versions of a log.

    Example: adjudge rules diff draft.yaml --workspace payments

    Example: adjudge rules diff 12000 active --workspace payments
    """
    from adjudge.define.differences import differences
    from adjudge.service.versions.rulesets import rule_set

    def read(which: str) -> Rules:
        if Path(which).is_file():
            return _loaded(Path(which))
        return rule_set(_sets(workspace, log, system), which).rules

    before, after = ("active", first) if second is None else (first, second)
    found = differences(read(before), read(after))
    if json:
        as_json([{**to_builtins(each), "words": each.words} for each in found])
        return
    for each in found:
        say(each.words, whole=True)
    say(f"{len(found):,} differences" if found else "both say the same")


@rules.command()
def check(
    file: DraftArgument,
    system: Annotated[
        str | None, typer.Option("--system", "-s", help="Name or folder of a system; without one, only the language.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say everything that is wrong with a rule file, with line and column; exit code 1 if anything is.

    Example: adjudge rules check draft.yaml --system payments
    """
    from adjudge.define.rulefile import mistakes

    found = mistakes(file.read_text(encoding="utf-8"), None if system is None else _known(system))
    if json:
        as_json(found)
    else:
        for each in found:
            rule = f"rule {each.rule!r}: " if each.rule else ""
            say(f"{file.name}:{each.line}:{each.column}: {rule}{each.message}", whole=True)
        if not found:
            made = _loaded(file)
            say(f"{file.name}: {len(made.rules)} rules, version {made.version}")
    raise typer.Exit(1 if found else 0)


def _known(system: str) -> Known:
    """Return what the rules of a system may name."""
    from adjudge.service.drafts import known_of
    from adjudge.service.run import plan_of

    return known_of(plan_of(system))


def _loaded(file: Path) -> Rules:
    from adjudge.define import Rules

    return Rules.load(file)


def _sets(workspace: Path | None, log: str | None, system: str | None) -> list[RuleSet]:
    """Return the rule sets of a workspace's log."""
    from adjudge.service.home import open_log
    from adjudge.service.versions.rulesets import rule_sets

    with closing(open_log(settings_of(workspace, log))) as opened:
        return rule_sets(opened, system)


def _print_versions(sets: list[RuleSet], json: bool) -> None:
    rows = [
        {
            "position": one.position,
            "since": moment_text(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=one.received_at))[:16],
            "version": one.version,
            "rules": len(one.rules.rules),
            "who": one.who,
            "why": one.why,
        }
        for one in sets
    ]
    if json:
        as_json(rows)
        return
    with grid("position", "since", "version", "rules", "who", "why") as table:
        for row in rows:
            table.add_row(*map(str, row.values()))


def _print_report(found: RuleReport) -> None:
    say(f"{found.events:,} events, {found.start[:10]} to {found.end[:10]}; {100 * found.mature:.1f} % labelled")
    with grid("rule", "action", "hits/d", "prec", "last hit", "expires", "owner") as table:
        for each in found.rules:
            table.add_row(
                each.rule,
                each.action,
                f"{each.caught.alerts:,.1f}",
                percent(each.caught.precision.value),
                (each.last_hit or "never")[:10],
                (each.expires or "-")[:10],
                each.owner or "-",
            )
    for each in found.rules:
        if each.notes:
            say(f"{each.rule}: {'; '.join(each.notes)}")
    for one in found.redundant:
        how = "says the same as" if one.same else "fires only with" if one.share == 1 else "hardly fires without"
        say(f"{one.rule}: {how} {one.by} ({one.events:,} events, {100 * one.share:.1f} %)")


def _one(found: BackTest, rule: str) -> RuleTest:
    from adjudge.errors import InputError, did_you_mean

    by = {each.rule: each for each in found.rules}
    if rule not in by:
        why = next((missed.why for missed in found.untested if missed.rule == rule), None)
        msg = f"the draft has no rule {rule!r}{did_you_mean(rule, by)}" if why is None else f"rule {rule!r}: {why}"
        raise InputError(msg, field="rule")
    return by[rule]


def _print_test(found: BackTest) -> None:
    _print_past(found)
    added = [each.added for each in found.rules]
    with grid("rule", "hits/d", "prec", "recall", "saved/d", "+fraud/d", "+prec", "+saved/d") as table:
        for each, beyond in zip((*found.rules, found.together), (*added, found.together.added), strict=True):
            table.add_row(
                each.rule or "all together",
                f"{each.caught.alerts:,.1f}",
                percent(each.caught.precision.value),
                percent(each.caught.recall.value),
                f"{each.caught.saved.value or 0:,.0f}",
                f"{beyond.frauds.value or 0:,.2f}",
                percent(beyond.precision.value),
                f"{beyond.saved.value or 0:,.0f}",
                style=None if each.rule else "bold",
            )
    say("a day; + is what was not acted on already, so what the rule adds; money against doing nothing")
    instead = found.instead
    by = ", ".join(f"{count:,} {what}" for what, count in instead.by.items()) or "nothing"
    say(f"in place of what was done: {by}; saves {money(instead.saved)} a day")
    asked = {name: [each.rule for each in found.rules if name in each.asks] for name in sorted(_asked(found))}
    for name, askers in asked.items():
        say(f"the list {name} is asked as it is now, whatever it held then: {', '.join(askers)}")
    for missed in found.untested:
        err.print(f"not tested: rule {missed.rule!r}: {missed.why}", style="yellow", highlight=False, markup=False)


def _asked(found: BackTest) -> set[str]:
    return {name for each in found.rules for name in each.asks}


def _print_past(found: BackTest) -> None:
    say(f"{found.events:,} events, {found.start[:10]} to {found.end[:10]}, seen {found.as_of[:10]}")
    unlabelled = f"; {found.unlabelled:,} were stopped, nobody knows" if found.unlabelled else ""
    say(
        f"{100 * found.mature:.1f} % have a label that is old enough ({found.matures_days:g} days): "
        f"{found.frauds:,} frauds, {found.fraud_amount:,.0f}{unlabelled}"
    )


def _print_rule(each: RuleTest, found: BackTest) -> None:
    _print_past(found)
    acted = "-" if each.acted is None else f"{100 * each.acted:.1f} %"
    model = "" if each.model_acted is None else f", the model alone on {100 * each.model_acted:.1f} %"
    young = f", {each.young:,} too young ({each.young_frauds:,} frauds already)"
    say(f"{each.rule}: {each.hits:,} hits, {each.labelled:,} labelled{young}, {each.unlabelled:,} unlabelled")
    say(f"acted on already: {acted}{model}")
    with grid("a day", "all", "", "added", "") as table:
        for name, unit in CAUGHT:
            cells = [figure(getattr(part, name), unit) for part in (each.caught, each.added)]
            table.add_row(name.replace("_", " "), *(cell for pair in cells for cell in pair))
    for one in each.overlaps:
        say(f"with {one.rule}: {one.events:,} ({100 * one.share:.1f} %)")
    for what, ids in (("caught", each.best), ("spoiled", each.worst)):
        if ids:
            say(f"{what}: {', '.join(ids)}")
    with grid("week of", "hits", "frauds", "honest") as table:
        for week in each.weeks:
            table.add_row(week.begins, f"{week.alerts:,}", f"{week.frauds:,}", f"{week.honest:,}")

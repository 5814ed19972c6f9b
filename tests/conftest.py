"""What every test shares: hypothesis settings, the folder of public data, and the ban on silent skips."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.log.cluster import PROGRAMS, Cluster, programs
from tests.log.permitted import PERMITTED

# The first call of a kernel compiles it, which no deadline per example allows for. The examples are the same
# in every run: what fails once fails again.
settings.register_profile("adjudge", deadline=None, derandomize=True)
settings.load_profile("adjudge")

FORBID_SKIPS = "ADJUDGE_FORBID_SKIPS"
DATA = "ADJUDGE_DATA"
POSTGRES = "ADJUDGE_TEST_POSTGRES"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--forbid-skips",
        action="store_true",
        default=os.environ.get(FORBID_SKIPS, "") not in ("", "0"),
        help=f"fail every test that would be skipped (also: {FORBID_SKIPS}=1)",
    )


LEFT_OUT = pytest.StashKey[dict[str, int]]()
"""How many tests were left out for want of each permission."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this machine does not permit anybody to do: no installation could mend that, unlike a skip."""
    left_out = config.stash.setdefault(LEFT_OUT, {})
    for name, permitted in PERMITTED.items():
        marked = [item for item in items if item.get_closest_marker(name)]
        if marked and not permitted():
            left_out[name] = len(marked)
            items[:] = [item for item in items if item not in marked]
            config.hook.pytest_deselected(items=marked)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say at the end which tests were left out, and why."""
    for name, count in config.stash.get(LEFT_OUT, {}).items():
        why = str(PERMITTED[name].__doc__).split(";")[1].strip(" .\n")
        terminalreporter.write_line(f"{count} tests marked {name!r} were left out: {why}", yellow=True)


def _fail_instead(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"skips are forbidden here, and this was skipped: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--forbid-skips"):
        _fail_instead(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and collector.config.getoption("--forbid-skips"):
        _fail_instead(report)
    return report


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of public data sets, which are too large to live in the repository."""
    named = os.environ.get(DATA, "")
    if not named:
        pytest.skip(f"{DATA} does not name the folder of public data sets")
    folder = Path(named)
    if not folder.is_dir():
        pytest.skip(f"{DATA} names {named}, which is not a folder")
    return folder


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """Return the folder of the programs that make a Postgres server."""
    found = programs()
    if found is None:
        pytest.skip(f"Postgres is not installed ({', '.join(PROGRAMS)})")
    return found


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of a database in which tests make schemas: a named one, or one of our own."""
    if named := os.environ.get(POSTGRES, ""):
        yield named
        return
    cluster = Cluster(request.getfixturevalue("postgres_programs"))
    try:
        cluster.start()
        yield cluster.url
    finally:
        cluster.remove()


@pytest.fixture(scope="session")
def shop_url() -> Iterator[str]:
    """Return the address of the small shop's service, which runs as a process of its own."""
    from adjudge.service.server import free_port, python, running  # not before a test asks: it loads the engine

    port = free_port()
    with running(python("tests.service.serving", str(port)), port=port):
        yield f"http://127.0.0.1:{port}"

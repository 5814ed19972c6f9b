"""Write the generated pages of docs/reference: verbs, routes, settings and public names, read from the code.

`make reference` writes them, and a test compares them with what would be written now.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tools import figures, graphs

FOLDER = Path(__file__).parents[1] / "docs" / "reference"

NOTE = "<!-- Written by `make reference`; edit the code instead. -->\n\n"

MODULES = (
    "adjudge",
    "adjudge.define",
    "adjudge.engine",
    "adjudge.history",
    "adjudge.models",
    "adjudge.learn",
    "adjudge.learn.datasets",
    "adjudge.monitor",
    "adjudge.log",
    "adjudge.service",
    "adjudge.client",
    "adjudge.client.webhooks",
    "adjudge.errors",
)
"""Modules whose public names are documented, in reading order."""


def cli() -> str:
    """Return the page of the command line."""
    from typer.main import get_command

    from adjudge.cli import app

    group: Any = get_command(app)
    parts = ["# Command line\n", _paragraphs(group.help or ""), ""]
    parts += ["What the user did wrong is one sentence and exit code 2; a check that fails is exit code 1.\n"]
    for name, command in verbs(group):
        meaning, *examples = (command.help or "").split("Example:")
        parts += [
            f"## adjudge {name}\n",
            f"```text\n{_usage(name, command)}\n```\n",
            _paragraphs(meaning),
            "",
        ]
        if examples:
            shown = "\n".join(f"$ {' '.join(example.split())}" for example in examples)
            parts += [f"```console\n{shown}\n```\n"]
        rows = [_option(p) for p in command.params if p.name != "help"]
        if rows:
            parts += ["| argument | default | meaning |", "|---|---|---|", *rows, ""]
    return NOTE + "\n".join(parts).rstrip() + "\n"


def verbs(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every verb with its name, those of a group after the group's own."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from verbs(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


def _usage(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    shown = [p.name.upper() if p.required else f"[{p.name.upper()}]" for p in arguments]
    options = " [OPTIONS]" if len(arguments) < len(command.params) else ""
    return " ".join([f"adjudge {name}{options}", *shown])


def _option(parameter: Any) -> str:
    argument = parameter.param_type_name == "argument"
    names = [parameter.name.upper()] if argument else [*parameter.opts, *parameter.secondary_opts]
    silent = parameter.default in (None, False, (), "")
    default = "required" if parameter.required else "" if silent else f"`{parameter.default}`"
    return f"| {', '.join(f'`{n}`' for n in names)} | {default} | {_cell(parameter.help or '')} |"


def http() -> str:
    """Return the page of the HTTP routes, as the payments system serves them."""
    document = openapi()
    parts = [
        "# HTTP\n",
        "These are the routes of a service that runs the payments system. A running service has the whole",
        "document, with the shape of every body, at `/openapi.json`, and as a page at `/docs`. Whatever is",
        "refused is answered with `application/problem+json` that names the field and the row.\n",
    ]
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            parts += [
                f"## {method.upper()} {path}\n",
                _paragraphs(route.get("description") or route.get("summary", "")),
                "",
            ]
            rows = [
                f"| `{p['name']}` | {p['in']} | {_cell(p.get('description', ''))} |"
                for p in route.get("parameters", ())
            ]
            if rows:
                parts += ["| parameter | in | meaning |", "|---|---|---|", *rows, ""]
            answers = [f"| {status} | {_cell(r['description'])} |" for status, r in route["responses"].items()]
            parts += ["| answer | when |", "|---|---|", *answers, ""]
    return NOTE + "\n".join(parts).rstrip() + "\n"


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of a service that runs the payments system."""
    from adjudge.discover import find
    from adjudge.engine import compile
    from adjudge.service.app import Service
    from adjudge.service.decider import Decider

    plan = compile(find("payments").build({}))
    document: dict[str, Any] = Service(Decider([plan])).api.openapi()
    return document


def settings() -> str:
    """Return the page of the service's settings."""
    from adjudge.commands.rekey import NEW_VARIABLE
    from adjudge.commands.remote import KEY_VARIABLE
    from adjudge.service.personal.keys import MASTER_VARIABLE
    from adjudge.service.run import EARLIER_VARIABLE, SECRET_VARIABLE
    from adjudge.service.settings import PREFIX, Settings
    from adjudge.service.tracing import ADDRESSES, PROTOCOLS

    meanings = _parameters(Settings)
    rows = [
        f"| `{f.name}` | `{PREFIX}{f.name.upper()}` | `{f.default}` | {_cell(meanings[f.name])} |"
        for f in dataclasses.fields(Settings)
    ]
    return NOTE + "\n".join(
        [
            "# Settings\n",
            "The service reads its settings from the environment; what the command line gives goes first.\n",
            "| setting | variable | default | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
            "Besides these:\n",
            "| variable | meaning |",
            "|---|---|",
            f"| `{SECRET_VARIABLE}` | Secret of the workspace that keys every hash: 32 hexadecimal digits. |",
            f"| `{EARLIER_VARIABLE}` | Secrets of before each rekey, commas between, for replay of what was then. |",
            f"| `{NEW_VARIABLE}` | What `adjudge rekey` replaces the secret by, where it is not given in a file. |",
            f"| `{MASTER_VARIABLE}` | Wraps the keys of persons: 64 hexadecimal digits; needed with personal fields. |",
            f"| `{KEY_VARIABLE}` | API key that the verbs send which talk to a service. |",
            "",
            "Traces (`pip install 'adjudge[otel]'`) are switched by OpenTelemetry's own variables, such as:\n",
            "| variable | meaning |",
            "|---|---|",
            f"| `{ADDRESSES[1]}`, `{ADDRESSES[0]}` | Address of a collector; either switches traces on. |",
            "| `OTEL_TRACES_EXPORTER` | `otlp` switches traces on, `none` off. |",
            f"| `{PROTOCOLS[1]}` | `http/protobuf`, which is the only one. |",
            "| `OTEL_SERVICE_NAME` | What the service is called; `adjudge` unless given. |",
            "| `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | Which traces are kept. |",
            "",
            "Tests and continuous integration read three more:\n",
            "| variable | meaning |",
            "|---|---|",
            "| `ADJUDGE_DATA` | Folder of public data sets; tests that need them are skipped without it. |",
            "| `ADJUDGE_FORBID_SKIPS` | `1` makes a skipped test fail. |",
            "| `ADJUDGE_AUDIT` | `required` makes `make audit` fail where no source of advisories can be reached. |",
            "",
        ]
    )


def metrics() -> str:
    """Return the page of the metrics."""
    from adjudge.service.metrics import CATALOGUE, STANDBY, Family

    def row(family: Family) -> str:
        labels = ", ".join(f"`{label}`" for label in family.labels)
        return f"| `{family.shown}` | {family.kind} | {labels} | {_cell(family.meaning)} |"

    head = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    parts = [
        "# Metrics\n",
        "`GET /metrics` serves these in Prometheus' text format. Histories are counted every quarter of a minute, the",
        "log and its snapshots every second, everything else as it happens.\n",
        *[*head, *map(row, CATALOGUE), ""],
        "A service that folds its log, or stands by for another, serves these:\n",
        *[*head, *map(row, STANDBY), ""],
    ]
    return NOTE + "\n".join(parts).rstrip() + "\n"


def python() -> str:
    """Return the page of the public names."""
    parts = [
        "# Python\n",
        "Every public name by module, and what it is; `help(name)` has the rest.\n",
    ]
    for module, names in public_modules():
        first = _first_paragraph(module.__doc__ or "")
        parts += [f"## {module.__name__}\n", first, "", "| name | what it is |", "|---|---|"]
        parts += [f"| `{name}` | {_cell(_about(module, name))} |" for name in names]
        parts.append("")
    return NOTE + "\n".join(parts).rstrip() + "\n"


def public_modules() -> Iterator[tuple[ModuleType, list[str]]]:
    """Yield the documented modules with what is public in them."""
    for name in MODULES:
        module = importlib.import_module(name)
        own = [n for n, v in vars(module).items() if inspect.isclass(v) and v.__module__ == name]
        names = list(getattr(module, "__all__", own if name == "adjudge.errors" else []))
        if names:
            yield module, names


def _about(module: ModuleType, name: str) -> str:
    value = getattr(module, name)
    if isinstance(value, ModuleType) or inspect.isroutine(value) or inspect.isclass(value):
        return _first_paragraph(inspect.getdoc(value) or "")
    return _constant(module, name)


def _constant(module: ModuleType, name: str) -> str:
    """Return the text that stands under a constant where it is defined."""
    for candidate in [module, *(m for n, m in sorted(sys.modules.items()) if n.startswith("adjudge."))]:
        if getattr(candidate, name, None) is getattr(module, name):
            text = _text_under(candidate, name)
            if text:
                return _first_paragraph(text)
    return ""


def _text_under(module: ModuleType, name: str) -> str:
    body = ast.parse(inspect.getsource(module)).body
    for statement, below in itertools.pairwise(body):
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        named = any(isinstance(t, ast.Name) and t.id == name for t in targets)
        if named and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            return str(below.value.value)
    return ""


def _parameters(owner: type) -> Mapping[str, str]:
    """Return the meanings of the parameters that a numpy-style docstring lists."""
    doc = inspect.getdoc(owner) or ""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-+\n|\Z)", doc, re.MULTILINE | re.DOTALL)
    entries = re.findall(r"^(\w+)\n((?:    .+\n?|\n)+)", section[1] if section else "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _first_paragraph(doc: str) -> str:
    return " ".join(doc.strip().split("\n\n")[0].split())


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(p.split()) for p in inspect.cleandoc(text).split("\n\n"))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli,
    "http.md": http,
    "settings.md": settings,
    "metrics.md": metrics,
    "python.md": python,
}
"""Each generated page and what writes it."""


def main() -> None:
    """Write every generated page."""
    os.environ.setdefault("COLUMNS", "100")
    for name, write in PAGES.items():
        (FOLDER / name).write_text(write(), encoding="utf-8")
        print(f"docs/reference/{name}")
    figures.write()
    graphs.write()


if __name__ == "__main__":
    main()

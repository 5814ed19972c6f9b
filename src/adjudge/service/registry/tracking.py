"""Mirroring: what is registered, as runs and model versions of an MLflow tracking server, and back from there.

The log stays the truth. A run holds the package of a release, which is checked byte by byte when it is taken in:
whoever can write to the server can change nothing in it.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from adjudge.errors import InputError, NotFoundError, UnavailableError
from adjudge.learn.bundle import Bundle, read
from adjudge.learn.modelcard import CARD_JSON, CARD_TEXT
from adjudge.service.registry import package
from adjudge.service.registry.entries import Release

FOLDER, FILE = "release", "release.adjudge"
"""Where the package of a release lies among the artifacts of its run."""

TAG = "adjudge.id"
"""Tag of runs and model versions with the id of what they mirror."""

MOST = 500
"""Longest value of a parameter that every tracking server takes."""


class Mirrored(msgspec.Struct, frozen=True):
    """What a release is called on a tracking server.

    Parameters
    ----------
    id
        The release.
    run, model, version
        Id of its run; name and number of its model version, empty for a rule set.
    new
        Whether it was not there before.
    """

    id: str
    run: str
    model: str
    version: str
    new: bool


def mirror(packed: Path, uri: str, secret: bytes) -> Mirrored:
    """Write a release to a tracking server: parameters, metrics, card and package; what is there is left as it is.

    Parameters
    ----------
    packed
        Its package, as `adjudge.service.registry.desk.ReleaseDesk.export` writes it.
    uri
        Address of the server.
    secret
        The workspace's 16 bytes.

    Raises
    ------
    UnavailableError
        If MLflow is not installed, or the server cannot be asked.
    """
    found = package.read(packed)
    with tempfile.TemporaryDirectory() as scratch:
        found.unpack(Path(scratch))
        bundle = read(Path(scratch) / "bundle", secret) if found.head.release.what == "bundle" else None
        return _mirrored(found.head.release, bundle, packed, uri)


def _mirrored(release: Release, bundle: Bundle | None, packed: Path, uri: str) -> Mirrored:
    client, problem = _client(uri)
    name = f"adjudge-{release.system}"
    try:
        experiment = client.get_experiment_by_name(name)
        experiment_id = client.create_experiment(name) if experiment is None else experiment.experiment_id
        there = client.search_runs([experiment_id], f"tags.`{TAG}` = '{release.id}' and attributes.status = 'FINISHED'")
        run_id = there[0].info.run_id if there else _written(client, experiment_id, release, bundle, packed)
        version = "" if bundle is None else _version(client, name, release, run_id)
    except problem as error:
        message = f"the tracking server at {uri} refused: {error}"
        raise UnavailableError(message) from None
    return Mirrored(release.id, run_id, name if version else "", version, not there)


def fetch(reference: str, uri: str, to: Path) -> Path:
    """Write the package of a release that lies on a tracking server to a file, for `adjudge registry import`.

    Parameters
    ----------
    reference
        ``runs:/RUN``, ``models:/NAME/VERSION`` or ``models:/NAME@ALIAS``.
    uri
        Address of the server.
    to
        The file.

    Raises
    ------
    InputError
        If the reference is none.
    NotFoundError
        If nothing of that name holds a release.
    UnavailableError
        If MLflow is not installed, or the server cannot be asked.
    """
    client, problem = _client(uri)
    try:
        run_id = _run_of(client, reference)
        with tempfile.TemporaryDirectory() as scratch:
            found = Path(client.download_artifacts(run_id, f"{FOLDER}/{FILE}", scratch))
            to.write_bytes(found.read_bytes())
    except (problem, OSError) as error:
        message = f"{reference} holds no release at {uri}: {str(error).splitlines()[0]}"
        raise NotFoundError(message) from None
    return to


def _run_of(client: Any, reference: str) -> str:
    kind, _, rest = reference.partition(":/")
    if kind == "runs" and rest:
        return rest.strip("/").split("/")[0]
    if kind == "models" and "@" in rest:
        return str(client.get_model_version_by_alias(*rest.split("@", 1)).run_id)
    if kind == "models" and rest.count("/") == 1:
        return str(client.get_model_version(*rest.split("/")).run_id)
    message = f"a reference looks like runs:/RUN, models:/NAME/VERSION or models:/NAME@ALIAS, not {reference[:80]!r}"
    raise InputError(message, field="reference")


def _written(client: Any, experiment_id: str, release: Release, bundle: Bundle | None, packed: Path) -> str:
    """Write a run and return its id; it is finished only once everything is there."""
    tags = {
        TAG: release.id,
        "adjudge.what": release.what,
        "adjudge.who": release.who,
        "mlflow.note.content": release.why,
    }
    run = client.create_run(experiment_id, start_time=release.at_us // 1000, tags=tags, run_name=release.id[:12])
    run_id = str(run.info.run_id)
    for name, value in _parameters(release, bundle):
        client.log_param(run_id, name, value[:MOST])
    for name, number in _metrics(release, bundle):
        client.log_metric(run_id, name, number, timestamp=release.at_us // 1000)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / FILE
        path.write_bytes(packed.read_bytes())
        client.log_artifact(run_id, str(path), FOLDER)
        for name in (CARD_JSON, CARD_TEXT):
            content = None if bundle is None else bundle.paper(name)
            if content is not None:
                (Path(scratch) / name).write_bytes(content)
                client.log_artifact(run_id, str(Path(scratch) / name))
    client.set_terminated(run_id)
    return run_id


def _version(client: Any, name: str, release: Release, run_id: str) -> str:
    """Return the number of the model version of a release, made if there is none."""
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    for one in client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'"):
        return str(one.version)
    source = f"{client.get_run(run_id).info.artifact_uri}/{FOLDER}"
    made = client.create_model_version(name, source, run_id, tags={TAG: release.id})
    return str(made.version)


def _parameters(release: Release, bundle: Bundle | None) -> Iterator[tuple[str, str]]:
    yield from {"how": release.how, "verdict": release.verdict, "parents": ",".join(release.parents)}.items()
    for name in ("start_us", "end_us", "known_us", "events", "frauds", "queue_per_day", "confidence"):
        if name in release.evidence:
            yield name, str(release.evidence[name])
    if bundle is not None:
        yield from ((f"threshold_{name}", repr(value)) for name, value in bundle.manifest.thresholds.items())
        yield from ((_named(name), str(value)) for name, value in bundle.manifest.training.items())
        yield from ((f"version_{name}", value) for name, value in bundle.manifest.versions.items())


def _metrics(release: Release, bundle: Bundle | None) -> Iterator[tuple[str, float]]:
    for figure, sides in release.evidence.get("figures", {}).items():
        for side in ("champion", "challenger", "difference"):
            value = sides[side]["value"]
            if value is not None:
                yield f"{figure}.{side}", float(value)
    if bundle is not None:
        yield from ((name, value) for name, value in bundle.manifest.metrics.items() if value is not None)


def _named(text: str) -> str:
    """Return a text as the name of a parameter may be."""
    return "".join(letter if letter.isalnum() else "_" for letter in text.lower())


def _client(uri: str) -> tuple[Any, type[Exception]]:
    """Return a client of a tracking server, and what it raises."""
    # it neither reports to its makers nor waits for minutes where nobody answers, unless somebody says so
    for name, value in (("MLFLOW_DISABLE_TELEMETRY", "true"), ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")):
        os.environ.setdefault(name, value)
    try:
        tracking = importlib.import_module("mlflow.tracking")
        problems = importlib.import_module("mlflow.exceptions")
    except ImportError:
        message = "mirroring needs the extra mlflow: pip install 'adjudge[mlflow]'"
        raise UnavailableError(message) from None
    found: type[Exception] = problems.MlflowException
    return tracking.MlflowClient(tracking_uri=uri), found

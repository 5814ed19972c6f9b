"""A bundle is a directory that holds a trained system and names everything it was made for.

It is read without pickle and without any training library, and only if every byte is as it was written: the
id of a bundle is a hash over its manifest, the manifest holds the hash of every file.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from adjudge.define.rule import elements
from adjudge.define.spec import meaning_of
from adjudge.errors import BundleError, DefinitionError, did_you_mean
from adjudge.models.scorers import Served
from adjudge.models.served import check_invariance, load, save
from adjudge.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from adjudge.engine import Plan

FORMAT = 1
"""Version of the layout of a bundle; raised when an older reader could not read it."""

MANIFEST = "bundle.json"
MODEL = "model"
EVALUATION = "evaluation.json"

MANIFEST_LIMIT = 16 * 2**20
"""Largest manifest that is read, in bytes."""

SIZE_LIMIT = 2**30
"""Largest file of a bundle, packed or unpacked, in bytes."""

_FILE = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)?\.(json|npz|md)")
_LIBRARIES = ("numpy", "numba", "llvmlite", "scipy", "scikit-learn", "lightgbm", "xgboost-cpu", "xgboost")


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of a bundle must be.

    Parameters
    ----------
    sha256
        Its hash, hexadecimal.
    size
        Its length in bytes.
    """

    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bundle says of itself.

    Parameters
    ----------
    format
        Version of the layout of the bundle.
    system
        Name of the system.
    created_at
        When it was made, ISO 8601 with offset.
    versions
        Versions of the definitions it was made from, and of the model.
    definitions
        Short hash of every field and feature of the system, by name.
    features
        What the model reads, in its order.
    thresholds
        Value strictly above which an action is taken.
    metrics
        The figures that matter, by name.
    training
        Facts about the training: spans, numbers of rows, parameters.
    lists
        Contents of the named lists that its features and rules ask.
    profile
        Processor and libraries that it was made with: bit equality is promised within one profile.
    files
        Every file but this one, by its path in the bundle.
    """

    format: int
    system: str
    created_at: str
    versions: dict[str, str]
    definitions: dict[str, str]
    features: tuple[str, ...]
    thresholds: dict[str, float]
    metrics: dict[str, float | None]
    training: dict[str, Any]
    lists: dict[str, list[str | float]]
    profile: dict[str, str]
    files: dict[str, FileEntry]


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and found whole.

    Parameters
    ----------
    path
        Its directory.
    id
        Hash over its content, hexadecimal.
    manifest
        What it says of itself.
    scorer
        The served model.
    """

    path: Path
    id: str
    manifest: Manifest
    scorer: Served

    def check(self, plan: Plan) -> None:
        """Refuse a plan that this bundle was not made for.

        Parameters
        ----------
        plan
            The compiled system, with or without a model.

        Raises
        ------
        BundleError
            If the system's name, fields or features differ; says which.
        """
        own = self.manifest
        if own.system != plan.system.name:
            message = f"the bundle in {self.path} is for system {own.system!r}, not {plan.system.name!r}"
            raise BundleError(message)
        found = definitions_of(plan)
        gone = [name for name in own.definitions if name not in found]
        new = [name for name in found if name not in own.definitions]
        other = [name for name in own.definitions if found.get(name, own.definitions[name]) != own.definitions[name]]
        differences = [
            f"{what} {_list(names)}"
            for what, names in (
                ("no longer has", gone),
                ("now also has", new),
                ("now defines otherwise", other),
            )
            if names
        ]
        if not differences and own.versions.get("layout") != plan.versions.get("layout"):
            differences = ["has another layout of its histories"]
        if differences:
            message = f"the bundle in {self.path} was made before system {own.system!r} changed: it "
            raise BundleError(message + "; it ".join(differences))

    def profile_differences(self) -> dict[str, tuple[str, str]]:
        """Return what differs between the profile it was made with and this machine's: then and now, by name.

        A difference does not stop anything: decisions may then differ in their last bits, no more.
        """
        then, now = self.manifest.profile, numeric_profile()
        names = sorted({*then, *now})
        pairs = {name: (then.get(name, ""), now.get(name, "")) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and name not in _TRAINING_ONLY}

    def evaluation(self) -> bytes | None:
        """Return the stored evaluation as JSON, or None where there is none."""
        return self.paper(EVALUATION)

    def paper(self, name: str) -> bytes | None:
        """Return what else a bundle holds, by its file, or None where it does not hold it.

        Raises
        ------
        BundleError
            If it was changed after it was written.
        """
        if name not in self.manifest.files:
            return None
        return _checked(self.path, name, self.manifest.files[name])


_TRAINING_ONLY = frozenset({"scipy", "scikit-learn", "lightgbm", "xgboost", "xgboost-cpu"})


def write(
    path: Path,
    *,
    plan: Plan,
    scorer: Served,
    sample: tuple[FloatArray, IntArray],
    created_at: datetime,
    thresholds: Mapping[str, float] | None = None,
    metrics: Mapping[str, float | None] | None = None,
    training: Mapping[str, Any] | None = None,
    evaluation: bytes | None = None,
    papers: Mapping[str, bytes] | None = None,
) -> Bundle:
    """Write a bundle: all of it or nothing.

    Parameters
    ----------
    path
        The directory to make; an older bundle there is replaced once the new one is complete.
    plan
        The system it is for.
    scorer
        The served model.
    sample
        A feature matrix (C, n) and the row of each of the scorer's names in it, on which the scorer is held
        to give each row the same bits whatever its neighbours.
    created_at
        When, with its offset from UTC.
    thresholds, metrics, training
        See `Manifest`.
    evaluation
        The whole evaluation as JSON.
    papers
        What else it holds, by file: a model card, what it was held against.

    Raises
    ------
    BundleError
        If the scorer depends on its neighbours, reads what the system does not have, or `path` holds
        something that is not a bundle.
    DefinitionError
        If `created_at` has no offset, or a threshold names an action that the policy does not have.
    """
    if created_at.tzinfo is None:
        message = "bundle: created_at needs its offset from UTC"
        raise DefinitionError(message)
    for action in thresholds or {}:
        plan.policy.severity(action, place="bundle thresholds")
    for name in scorer.names:
        if name not in plan.slots:
            message = f"the model reads {name!r}, which the system does not have{did_you_mean(name, plan.slots)}"
            raise BundleError(message)
    check_invariance(scorer, *sample)
    if path.exists() and not (path / MANIFEST).is_file() and any(path.iterdir()):
        message = f"{path} holds something that is not a bundle; it is left alone"
        raise BundleError(message)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
        draft = Path(scratch) / "bundle"
        save(scorer, draft / MODEL)
        if evaluation is not None:
            (draft / EVALUATION).write_bytes(evaluation)
        for name, content in (papers or {}).items():
            (draft / name).write_bytes(content)
        manifest = Manifest(
            format=FORMAT,
            system=plan.system.name,
            created_at=created_at.isoformat(),
            versions={**plan.versions, "model": scorer.version},
            definitions=definitions_of(plan),
            features=scorer.names,
            thresholds=dict(thresholds or {}),
            metrics=dict(metrics or {}),
            training=dict(training or {}),
            lists={name: list(elements(name, values)) for name, values in plan.system.lists.items()},
            profile=numeric_profile(),
            files={name: _entry(draft / name) for name in _files(draft)},
        )
        (draft / MANIFEST).write_bytes(_canonical(manifest))
        for name in [*manifest.files, MANIFEST]:
            _flush(draft / name)
        _put(draft, path, Path(scratch) / "old")
    return Bundle(path, _id(manifest), manifest, scorer)


def read(path: Path, secret: bytes) -> Bundle:
    """Read a bundle after checking every byte of it.

    Parameters
    ----------
    path
        Its directory.
    secret
        The workspace's 16 bytes with which texts are hashed.

    Raises
    ------
    BundleError
        If it is not there, of a newer format, or anything in it is missing, added or changed; names the file.
    """
    manifest = read_manifest(path)
    present = set(_files(path)) - {MANIFEST}
    for name in sorted(present - set(manifest.files)):
        message = f"the bundle in {path} holds {name}, which its manifest does not list"
        raise BundleError(message)
    for name, entry in manifest.files.items():
        _checked(path, name, entry)
    _check_unpacked(path)
    scorer = load(path / MODEL, secret)
    if scorer.names != manifest.features or scorer.version != manifest.versions.get("model"):
        message = f"the bundle in {path} holds another model than its manifest describes"
        raise BundleError(message)
    return Bundle(path, _id(manifest), manifest, scorer)


def read_manifest(path: Path) -> Manifest:
    """Read what a bundle says of itself, without its model.

    Parameters
    ----------
    path
        Its directory.

    Raises
    ------
    BundleError
        If there is none, it cannot be read, or it is of another format.
    """
    file = path / MANIFEST
    try:
        if file.is_symlink() or file.stat().st_size > MANIFEST_LIMIT:
            message = f"{file} is a link or larger than {MANIFEST_LIMIT} bytes: not a bundle"
            raise BundleError(message)
        content = file.read_bytes()
        manifest = msgspec.json.decode(content, type=Manifest)
    except OSError as error:
        message = f"there is no bundle in {path}: {error.strerror}"
        raise BundleError(message) from error
    except msgspec.MsgspecError as error:
        message = f"the bundle in {path} cannot be read, {MANIFEST}: {error}"
        raise BundleError(message) from error
    if manifest.format != FORMAT:
        message = f"the bundle in {path} has format {manifest.format}, this version reads {FORMAT}"
        raise BundleError(message)
    if content != _canonical(manifest):
        message = f"the bundle in {path} was changed by hand: {MANIFEST} is not as it was written"
        raise BundleError(message)
    for name, entry in manifest.files.items():
        if not _FILE.fullmatch(name) or not 0 <= entry.size <= SIZE_LIMIT:
            message = f"the bundle in {path} lists a file it may not have: {name!r}, {entry.size} bytes"
            raise BundleError(message)
    return manifest


def definitions_of(plan: Plan) -> dict[str, str]:
    """Return a short hash of what each field and feature of a system means, by name.

    Parameters
    ----------
    plan
        The compiled system.
    """
    schema = plan.schema(plan.decides)
    meanings: dict[str, Any] = {field.name: [field.role, field.optional] for field in schema}
    meanings |= {name: meaning_of(made) for name, made in plan.features.items()}
    texts = {name: msgspec.json.encode(meaning, order="sorted") for name, meaning in meanings.items()}
    return {name: hashlib.sha256(text).hexdigest()[:12] for name, text in texts.items()}


def numeric_profile() -> dict[str, str]:
    """Return what the last bits of a computation may depend on: processor and library versions."""
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    found = {
        "machine": platform.machine(),
        "processor": " ".join([*simd.get("baseline", ()), *simd.get("found", ())]),
        "python": platform.python_version(),
    }
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue  # what is not installed cannot change a bit
    return found


def _canonical(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1) + b"\n"


def _id(manifest: Manifest) -> str:
    return hashlib.sha256(_canonical(manifest)).hexdigest()


def _files(folder: Path) -> list[str]:
    """Return every file below a folder by its path in it; a link is a file that cannot be what it should."""
    return sorted(
        file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_symlink() or not file.is_dir()
    )


def _entry(file: Path) -> FileEntry:
    content = file.read_bytes()
    return FileEntry(hashlib.sha256(content).hexdigest(), len(content))


def _checked(path: Path, name: str, entry: FileEntry) -> bytes:
    """Return the content of a file after comparing it with its entry."""
    file = path / name
    try:
        if file.is_symlink() or file.parent.is_symlink() or file.stat().st_size != entry.size:
            message = f"the bundle in {path} is corrupt: {name} is not {entry.size} bytes long"
            raise BundleError(message)
        content = file.read_bytes()
    except OSError as error:
        message = f"the bundle in {path} is corrupt: {name}: {error.strerror}"
        raise BundleError(message) from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        message = f"the bundle in {path} is corrupt: the content of {name} changed after it was written"
        raise BundleError(message)
    return content


def _check_unpacked(path: Path) -> None:
    """Refuse archives that would not fit into memory once unpacked."""
    for file in sorted(path.rglob("*.npz")):
        try:
            with zipfile.ZipFile(file) as archive:
                size = sum(item.file_size for item in archive.infolist())
        except (zipfile.BadZipFile, OSError) as error:
            message = f"the bundle in {path} is corrupt: {file.name}: {error}"
            raise BundleError(message) from error
        if size > SIZE_LIMIT:
            message = f"the bundle in {path} holds {file.name} of {size} bytes unpacked, allowed are {SIZE_LIMIT}"
            raise BundleError(message)


def _flush(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def _put(draft: Path, path: Path, aside: Path) -> None:
    """Move a complete bundle to its place; an older one steps aside first and comes back if that fails."""
    if path.exists():
        os.replace(path, aside)
    try:
        os.replace(draft, path)
    except OSError:
        if aside.exists():
            os.replace(aside, path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"

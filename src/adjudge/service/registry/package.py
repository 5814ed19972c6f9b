"""Packages: a release in one file that moves between workspaces, named by its content and checked byte by byte.

A package holds the bundle or the rule set, what the registry it comes from says of it, and the hash of every file. The
same release gives the same bytes. It may be signed with an Ed25519 key; whoever takes it in says which key is trusted.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from adjudge.errors import BundleError, InputError
from adjudge.learn.bundle import SIZE_LIMIT
from adjudge.service.registry.entries import Release

FORMAT = 1
"""Version of the layout of a package."""

HEAD, SIGNATURE, RULES = "package.json", "signature", "rules.json"

HEAD_LIMIT = 16 * 2**20
"""Largest head that is read, in bytes."""

TOTAL_LIMIT, MEMBERS_LIMIT = 4 * SIZE_LIMIT, 1_000
"""Most bytes that a package holds in all, and most files."""

_NAME = re.compile(r"(bundle/[a-z0-9_]+(/[a-z0-9_]+)?\.(json|npz|md)|rules\.json)")


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a package says of itself.

    Parameters
    ----------
    format
        Version of the layout.
    release
        What the registry that it comes from says.
    environment
        Where it comes from.
    definitions
        Versions of what decided there.
    files
        Hash of each file, by its path.
    """

    format: int
    release: Release
    environment: str
    definitions: dict[str, str]
    files: dict[str, str]


@dataclass(frozen=True)
class Package:
    """A package that was read and found whole.

    Parameters
    ----------
    head
        What it says of itself.
    files
        Content of each file, by its path.
    sha256
        Hash of the head, which has the hash of everything else.
    signed
        Whether a trusted key has signed it.
    """

    head: Head
    files: Mapping[str, bytes]
    sha256: str
    signed: bool

    def unpack(self, folder: Path) -> None:
        """Write its files below a folder that is empty."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def rules_id(document: Mapping[str, Any]) -> str:
    """Return the id of a rule set: the hash of its document, whatever the order of its keys.

    Examples
    --------
    >>> rules_id({"version": 1, "rules": []}) == rules_id({"rules": [], "version": 1})
    True
    """
    return hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()


def write(
    path: Path,
    release: Release,
    environment: str,
    definitions: Mapping[str, str],
    bundle: Path | None,
    key: Path | None,
) -> str:
    """Write a package, all of it or nothing, and return the hash of its content.

    Parameters
    ----------
    path
        The file.
    release
        What is packed.
    environment
        Where it comes from.
    definitions
        Versions of what decides there.
    bundle
        Directory of its bundle; None for a rule set.
    key
        File with an Ed25519 private key, PEM, to sign it with; None leaves it unsigned.
    """
    files = {RULES: msgspec.json.encode(release.rules, order="sorted")} if bundle is None else _files(bundle)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    about = Head(format=FORMAT, release=release, environment=environment, definitions=dict(definitions), files=hashes)
    head = msgspec.json.encode(about, order="sorted")
    _put(path, head, files, key)
    return hashlib.sha256(head).hexdigest()


def sign(path: Path, key: Path) -> None:
    """Sign a package that is there, with the file of an Ed25519 private key, PEM; `read` has to have found it whole."""
    files = dict(_members(path))
    files.pop(SIGNATURE, None)
    _put(path, files.pop(HEAD), files, key)


def _put(path: Path, head: bytes, files: Mapping[str, bytes], key: Path | None) -> None:
    """Write the file of a package, all of it or nothing."""
    top = {HEAD: head}
    if key is not None:
        top[SIGNATURE] = _private(key).sign(head)
    draft = path.with_name(path.name + ".part")
    with tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in {**top, **dict(sorted(files.items()))}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    draft.replace(path)


def read(path: Path, trusted: Path | None = None) -> Package:
    """Read a package after checking every byte of it.

    Parameters
    ----------
    path
        The file.
    trusted
        File with the Ed25519 public key, PEM, that must have signed it; None asks for no signature.

    Raises
    ------
    BundleError
        If it is no package, of a newer format, or anything in it is missing, added, changed, or not signed by that key.
    """
    found = dict(_members(path))
    content, signature = found.pop(HEAD, b""), found.pop(SIGNATURE, b"")
    try:
        head = msgspec.json.decode(content, type=Head)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        message = f"{path.name} is no package: {error}"
        raise BundleError(message) from None
    if head.format != FORMAT:
        message = f"{path.name} has format {head.format}, this version reads {FORMAT}"
        raise BundleError(message)
    if trusted is not None:
        _check_signature(path, content, signature, trusted)
    for name in sorted({*head.files} ^ {*found}):
        message = f"{path.name} {'lacks' if name in head.files else 'holds, and does not list,'} {name}"
        raise BundleError(message)
    for name, expected in head.files.items():
        if hashlib.sha256(found[name]).hexdigest() != expected:
            message = f"{path.name}: the content of {name} changed after it was packed"
            raise BundleError(message)
    _check_rules(path, head, found)
    return Package(head, found, hashlib.sha256(content).hexdigest(), trusted is not None)


def _check_rules(path: Path, head: Head, found: Mapping[str, bytes]) -> None:
    """Refuse a rule set that is not the one of its id."""
    if head.release.what != "rules":
        return
    document = msgspec.json.decode(found.get(RULES, b"null"))
    if not isinstance(document, dict) or document != head.release.rules or rules_id(document) != head.release.id:
        message = f"{path.name} holds other rules than those of {head.release.id[:12]}"
        raise BundleError(message)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of an archive by name; anything but plain files of known names is refused."""
    seen: set[str] = set()
    total = 0
    if path.stat().st_size > 2 * TOTAL_LIMIT:  # what is read of an archive, names and padding among it, has a bound
        message = f"{path.name} is larger than any package"
        raise BundleError(message)
    try:
        with tarfile.open(path, "r:") as archive:
            for entry in archive:
                limit = SIZE_LIMIT if _NAME.fullmatch(entry.name) else HEAD_LIMIT
                known = _NAME.fullmatch(entry.name) or entry.name in (HEAD, SIGNATURE)
                if not entry.isfile() or not known or entry.size > limit or entry.name in seen:
                    message = f"{path.name} holds something that no package may hold: {entry.name[:80]!r}"
                    raise BundleError(message)
                seen.add(entry.name)
                total += entry.size  # unpacked, which of a sparse file is more than the archive has
                if total > TOTAL_LIMIT or len(seen) > MEMBERS_LIMIT:
                    message = f"{path.name} holds more than {MEMBERS_LIMIT:,} files or {TOTAL_LIMIT:,} bytes"
                    raise BundleError(message)
                source = archive.extractfile(entry)
                assert source is not None  # it is a file
                yield entry.name, source.read()
    except (tarfile.TarError, EOFError) as error:
        message = f"{path.name} is no package: {error}"
        raise BundleError(message) from None


def _files(bundle: Path) -> dict[str, bytes]:
    paths = sorted(path for path in bundle.rglob("*") if path.is_file())
    return {f"bundle/{path.relative_to(bundle).as_posix()}": path.read_bytes() for path in paths}


def _private(path: Path) -> Ed25519PrivateKey:
    key = _key(path, lambda text: load_pem_private_key(text, None))
    if not isinstance(key, Ed25519PrivateKey):
        message = f"{path.name} is no Ed25519 private key"
        raise InputError(message, field="key")
    return key


def _check_signature(path: Path, content: bytes, signature: bytes, trusted: Path) -> None:
    key = _key(trusted, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        message = f"{trusted.name} is no Ed25519 public key"
        raise InputError(message, field="trust")
    try:
        key.verify(signature, content)
    except InvalidSignature:
        message = f"{path.name} was not signed with the key that {trusted.name} belongs to"
        raise BundleError(message) from None


def _key(path: Path, load: Any) -> Any:
    try:
        return load(path.read_bytes())
    except (ValueError, TypeError) as error:
        message = f"{path.name} cannot be read as a key: {error}"
        raise InputError(message, field="key") from None

"""The entry of the log from which on keys, ids and texts are hashed with another secret."""

from __future__ import annotations

import hashlib
import os

import msgspec
import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adjudge.errors import DefinitionError
from adjudge.log import Kind
from adjudge.log.codec import CodecError, Note
from adjudge.typing import HashArray

NONCE_BYTES = 12
"""Size of a nonce of AES-GCM."""

_HASH = np.dtype("<u8")


class Rekey(msgspec.Struct, frozen=True):
    """The workspace's secret was replaced.

    Parameters
    ----------
    earlier
        Fingerprints of the secrets that the log was hashed with before, the first one first.
    new
        Fingerprint of the one that it is hashed with from here on.
    """

    earlier: list[str]
    new: str

    def note(self, who: str, why: str, box: bytes) -> Note:
        """Return the entry of the log; `box` is what `close` made."""
        return Note(Kind.REKEY, self.content, who, why, box)

    @property
    def content(self) -> bytes:
        """The entry's content as JSON."""
        return msgspec.json.encode(self)

    @classmethod
    def read(cls, note: Note) -> Rekey:
        """Return what `note` wrote."""
        try:
            return msgspec.json.decode(note.content, type=cls)
        except msgspec.DecodeError as error:
            message = f"a rekey cannot be read: {error}"
            raise CodecError(message) from None

    def close(self, secret: bytes, old: HashArray, new: HashArray) -> bytes:
        """Return which hash became which, sealed: with the old secret nobody can tell who is who after the rekey.

        Parameters
        ----------
        secret
            The new secret.
        old, new
            The hashes, those of one place belonging together.

        Examples
        --------
        >>> rekey, hashes = Rekey(["a"], "b"), np.array([7, 8], np.uint64)
        >>> old, new = rekey.open(bytes(16), rekey.close(bytes(16), hashes, hashes + np.uint64(1)))
        >>> old.tolist(), new.tolist()
        ([7, 8], [8, 9])
        """
        nonce = os.urandom(NONCE_BYTES)
        return nonce + _cipher(secret).encrypt(nonce, np.stack([old, new]).astype(_HASH).tobytes(), self.content)

    def open(self, secret: bytes, box: bytes) -> tuple[HashArray, HashArray]:
        """Return the hashes that `close` has sealed.

        Raises
        ------
        DefinitionError
            If that was under another secret.
        """
        try:
            plain = _cipher(secret).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], self.content)
        except InvalidTag:
            message = f"a rekey of the log can only be read with the secret whose fingerprint is {self.new}"
            raise DefinitionError(message) from None
        old, new = np.frombuffer(plain, _HASH).reshape(2, -1).astype(np.uint64)
        return old, new


def _cipher(secret: bytes) -> AESGCM:
    """Return a cipher under a key that gives nothing of the secret away."""
    return AESGCM(hashlib.blake2b(secret, digest_size=32, person=b"adjudge rekey").digest())

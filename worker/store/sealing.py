"""Seals what the database must not give away: AES-256-GCM under a key that lies elsewhere.

A sealed value is one byte that names this format, a nonce of 12 random bytes, and the ciphertext with its tag. The app's id and the
variable's name are authenticated with it, so that a row which somebody copies to another app or name does not open there.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from worker.config import Config
from worker.store.errors import SealError

#: In the data folder of the embedded default, where nobody sets ``PENSTOCK_SECRET_KEY``. Readable by its owner only.
KEY_FILE = "secret.key"

FORMAT = b"\x01"
NONCE_BYTES = 12

#: Keep the uses of the secret apart from each other.
PURPOSE = b"penstock app environment 1"
DIGEST_PURPOSE = b"penstock document digest 1"


class Sealing:
    """The key of a deployment at work. Cheap enough to be made for each use, so that a new key counts at once."""

    def __init__(self, secret: bytes) -> None:
        # Imported here: most processes never seal or open anything.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(_derived(secret, PURPOSE))
        self._digest_key = _derived(secret, DIGEST_PURPOSE)

    @classmethod
    def find(cls, config: Config) -> Sealing:
        """With the key that there is. Raises ``SealError`` if there is none."""
        secret = read_secret(config)
        if not secret:
            missing = "PENSTOCK_SECRET_KEY is not set" if config.database_url else f"the data folder has no key in {KEY_FILE}"
            raise SealError(f"Sealed values cannot be opened: {missing}.")
        return cls(secret)

    @classmethod
    def provide(cls, config: Config) -> Sealing:
        """With the key that there is, or in the embedded default with a new one. Raises ``SealError`` where no key can be made."""
        if not read_secret(config):
            if config.database_url:
                raise SealError("PENSTOCK_SECRET_KEY is not set: with DATABASE_URL, every process must be given the key that seals values.")
            make_key_file(config.data_dir / KEY_FILE)
        return cls.find(config)

    def seal(self, app_id: str, name: str, text: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return FORMAT + nonce + self._cipher.encrypt(nonce, text.encode(), _bound_to(app_id, name))

    def open(self, app_id: str, name: str, sealed: bytes) -> str:
        """The text that was sealed for this variable of this app. Raises ``SealError``."""
        from cryptography.exceptions import InvalidTag

        if not sealed.startswith(FORMAT):
            raise SealError(f"The value of the environment variable '{name}' was sealed by a later release.")
        nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, ciphertext, _bound_to(app_id, name)).decode()
        except (InvalidTag, ValueError):
            raise SealError(f"The value of the environment variable '{name}' was sealed with another PENSTOCK_SECRET_KEY.") from None

    def digest(self, text: str) -> str:
        """HMAC-SHA256 in hex: tells texts apart, and says nothing about them to whoever lacks the key."""
        return hmac.new(self._digest_key, text.encode(), hashlib.sha256).hexdigest()


def read_secret(config: Config) -> bytes:
    """What the key is derived from: the setting, else the file of the embedded default; empty if there is neither.

    Raises ``SealError`` for a file that cannot be read.
    """
    if config.secret_key or config.database_url:
        return config.secret_key.encode("utf-8", "surrogateescape")
    try:
        return (config.data_dir / KEY_FILE).read_bytes().strip()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise SealError(f"The file {KEY_FILE} of the data folder cannot be read: {error.strerror}.") from error


def make_key_file(path: Path) -> None:
    """Write a random key, unless another process is faster; nobody ever sees half of one. Raises ``SealError``."""
    try:
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(32).hex().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            os.unlink(draft)
    except OSError as error:
        raise SealError(f"The file {KEY_FILE} of the data folder cannot be made: {error.strerror}.") from error


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """32 bytes."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret)


def _bound_to(app_id: str, name: str) -> bytes:
    # No app id contains the separator.
    return f"{app_id}\0{name}".encode()

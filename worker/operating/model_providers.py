"""Model providers as operators configure and see them; never with a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from worker.config import Config
from worker.llm.catalog import CATALOG, CLIENT_TYPES, canonical, entry_of
from worker.llm.providers import Provider, environment_providers
from worker.operating.errors import Unusable
from worker.store import model_providers as stored
from worker.store.model_providers import StoredModelProvider
from worker.store.sealing import Sealing
from worker.store.session import Database

#: Characters of a name, an address, a version: of what no document or vendor has more.
MAX_NAME, MAX_URL, MAX_VERSION = 255, 2048, 64


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What an operator says of a provider; empty: as the catalog says."""

    #: In any spelling.
    name: str
    type: str = ""
    base_url: str = ""
    #: Empty: it wants none.
    api_key: str = ""
    #: Azure only.
    api_version: str = ""


def configure_provider(config: Config, database: Database, settings: ProviderSettings) -> str:
    """Keep a provider, in place of an earlier one of its name; answers its canonical name.

    Raises ``Unusable``, ``SealError``, ``StorageUnavailable``; nothing is kept then.
    """
    name = known_name(settings.name)
    check_settings(settings)
    sealed = Sealing.provide(config).seal(stored.SEALED_FOR, name, settings.api_key) if settings.api_key else None
    row = StoredModelProvider(name, settings.type, settings.base_url, sealed, settings.api_version)
    database.transact(lambda session: stored.save_provider(session, row))
    return name


def known_name(name: str) -> str:
    """The canonical name of a provider. Raises ``Unusable`` for what cannot be one."""
    found = canonical(name)
    if not found or len(found) > MAX_NAME:
        raise Unusable(f"{name[:60]!r} is no name of a provider: it needs a letter or a digit, and at most {MAX_NAME} characters.", "name")
    return found


def check_settings(settings: ProviderSettings) -> None:
    """Raises ``Unusable``."""
    if settings.type and settings.type not in CLIENT_TYPES:
        raise Unusable(f"type must be one of {', '.join(CLIENT_TYPES)}.", "type")
    check_address(settings.base_url or entry_of(settings.name).base_url, settings.name)
    check_key(settings.api_key)
    if len(settings.api_version) > MAX_VERSION:
        raise Unusable(f"api_version must not be longer than {MAX_VERSION} characters.", "api_version")


def check_address(base_url: str, name: str) -> None:
    """Raises ``Unusable``."""
    if not base_url:
        raise Unusable(f"The provider {name} has no public address: give it as base_url.", "base_url")
    try:
        parts = urlsplit(base_url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and len(base_url) <= MAX_URL
    except ValueError:
        is_usable = False
    if not is_usable:
        raise Unusable("base_url must start with http:// or https:// and name a host.", "base_url")


def check_key(key: str) -> None:
    """Raises ``Unusable``, without the key."""
    if key and not (key.isascii() and key.isprintable()):
        raise Unusable("The key has characters that HTTP cannot carry.", "api_key")


def remove_provider(database: Database, name: str) -> str:
    """Forget a stored provider with its key; answers its canonical name. Raises ``NotFound``."""
    found = known_name(name)
    with database.begin() as session:
        stored.remove_provider(session, found)
    return found


def from_store(row: Any) -> dict[str, Any]:
    """Facts of a stored provider: a ``StoredModelProvider``, or a row of its table."""
    return facts(row.name, "stored", row.type, row.base_url, row.api_key is not None, row.updated_at)


def from_environment(environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """Facts of the providers that the environment of this process describes."""
    return [_from_environment(provider) for provider in environment_providers(environ).values()]


def _from_environment(provider: Provider) -> dict[str, Any]:
    return facts(provider.name, "environment", provider.type, provider.base_url, bool(provider.api_key), None)


def facts(name: str, source: str, kind: str, base_url: str, has_key: bool, updated_at: float | None) -> dict[str, Any]:
    """``updated_at`` is None for what the environment says."""
    entry = entry_of(name)
    address = without_password(base_url or entry.base_url)
    return {"name": name, "type": kind or entry.type, "base_url": address, "has_key": has_key, "source": source, "updated_at": updated_at}


def without_password(url: str) -> str:
    """The address, without what may stand before its host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def known_providers() -> list[dict[str, str]]:
    """The names that the catalog knows, each with the type of its client and its public address, which may be empty."""
    return [{"name": name, "type": entry.type, "base_url": entry.base_url} for name, entry in CATALOG.items()]

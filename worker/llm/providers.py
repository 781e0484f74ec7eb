"""Which provider serves a name: what the operator configured, in the environment or stored, and what the catalog knows."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from worker.engine.models import NOT_INITIALIZED, ModelError, not_initialized
from worker.llm.catalog import CLIENT_TYPES, WILDCARD, Entry, canonical, entry_of

#: Setting of the environment -> field of ``Provider``: ``PENSTOCK_PROVIDER_OPENAI_BASE_URL``.
VARIABLE = re.compile(r"PENSTOCK_PROVIDER_([A-Za-z0-9_]+?)_(API_KEY|BASE_URL|TYPE|API_VERSION)")

#: Seconds for which the stored providers are believed before they are read again.
FRESH_S = 5.0


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as it is called: an operator's word, so its address may be any, a private one or this machine included."""

    name: str
    #: One of ``catalog.CLIENT_TYPES``.
    type: str = ""
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    #: Azure only.
    api_version: str = ""

    @property
    def sent_key(self) -> str:
        """The SDKs insist on a key where a server wants none."""
        return self.api_key or "none"


#: Reads the stored providers, by canonical name.
LoadProviders = Callable[[], Mapping[str, Provider]]


def no_providers() -> Mapping[str, Provider]:
    return {}


def environment_providers(environ: Mapping[str, str]) -> dict[str, Provider]:
    """Providers that ``PENSTOCK_PROVIDER_<NAME>_API_KEY``, ``_BASE_URL``, ``_TYPE`` and ``_API_VERSION`` describe."""
    found: dict[str, Provider] = {}
    for variable, value in environ.items():
        match = VARIABLE.fullmatch(variable)
        if match is not None and value.strip():
            name, part = canonical(match[1]), match[2].lower()
            found[name] = replace(found.get(name, Provider(name)), **{part: value.strip()})
    return found


class Providers:
    """Finds the provider of a name; shared by all runs of a process."""

    def __init__(self, environ: Mapping[str, str], load: LoadProviders = no_providers) -> None:
        self._environment = environment_providers(environ)
        self._load = load
        self._lock = threading.Lock()
        self._stored: Mapping[str, Provider] = {}
        self._read_at = -FRESH_S

    def find(self, name: str) -> Provider:
        """The provider for a name as a document writes it: its own, else the wildcard.

        The environment wins over what is stored, field by field. Raises ``ModelError``.
        """
        key = canonical(name)
        configured = self._configured(key)
        if configured is None and not entry_of(key).is_local:
            configured = self._configured(WILDCARD)
            # An address for all is no vendor's own: what the catalog knows of the name does not count there.
            return completed(configured, name, Entry()) if configured is not None else refuse(name)
        return completed(configured or Provider(key), name, entry_of(key))

    def _configured(self, key: str) -> Provider | None:
        stored, here = self._fresh().get(key), self._environment.get(key)
        if stored is None or here is None:
            return here or stored
        given = {name: value for name in ("type", "base_url", "api_key", "api_version") if (value := getattr(here, name))}
        return replace(stored, **given)

    def _fresh(self) -> Mapping[str, Provider]:
        with self._lock:
            if time.monotonic() - self._read_at >= FRESH_S:
                self._stored, self._read_at = self._load(), time.monotonic()
            return self._stored


def refuse(name: str) -> Provider:
    raise not_initialized(name)


def completed(provider: Provider, name: str, entry: Entry) -> Provider:
    """The provider with what the catalog knows filled in. Raises ``ModelError`` for one that cannot be called."""
    made = replace(provider, type=provider.type or entry.type, base_url=(provider.base_url or entry.base_url).rstrip("/"))
    if made.type not in CLIENT_TYPES:
        raise unusable(f"The type of the model provider {name} is {made.type!r}, but must be one of {', '.join(CLIENT_TYPES)}.")
    if not made.base_url:
        raise unusable(f"The model provider {name} has no public address: set PENSTOCK_PROVIDER_{provider.name.upper()}_BASE_URL.")
    return made


def unusable(message: str) -> ModelError:
    return ModelError(message, code=NOT_INITIALIZED, error_type="ProviderTokenNotInitError")

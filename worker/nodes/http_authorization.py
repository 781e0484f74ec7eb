"""How an http-request node proves who it is: an API key in a header (nodes.md section 6.7)."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from worker.engine.errors import NodeError
from worker.engine.templates import Template
from worker.engine.variables import VariablePool
from worker.nodes.fields import Fields
from worker.nodes.http_lines import checked_header

EMPTY_KEY = "API key is required for authorization but was empty. Please provide a valid API key."


@dataclass(frozen=True, slots=True)
class Authorization:
    #: ``basic``, ``bearer`` or ``custom``.
    scheme: str
    #: Name of the header.
    header: str
    api_key: Template

    @classmethod
    def of(cls, fields: Fields) -> Authorization | None:
        """None for ``no-auth``."""
        if fields.choice("type", ("no-auth", "api-key"), "no-auth") == "no-auth":
            return None
        if fields.value("config") is None:
            fields.report("config", "'config' is required")
        config = fields.mapping("config")
        scheme = config.choice("type", ("basic", "bearer", "custom"), "basic")
        return cls(scheme, config.text("header").strip() or "Authorization", config.template("api_key"))

    def credential(self, pool: VariablePool) -> Credential:
        """Raises ``NodeError`` for a blank key and for one that no header can carry."""
        key = self.api_key.render(pool).strip()
        if not key:
            raise NodeError(EMPTY_KEY, error_type="AuthorizationConfigError")
        return Credential(*checked_header(self.header, with_scheme(self.scheme, key)), key)


@dataclass(frozen=True, slots=True)
class Credential:
    header: str
    value: str
    #: What must not show anywhere.
    key: str


def with_scheme(scheme: str, key: str) -> str:
    if scheme == "bearer":
        return f"Bearer {key}"
    if scheme == "custom":
        return key
    # Without a colon it is taken as already encoded.
    return f"Basic {base64.b64encode(key.encode()).decode('ascii') if ':' in key else key}"

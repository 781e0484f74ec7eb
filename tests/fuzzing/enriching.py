"""Puts what exists into generated requests: without it nearly all of them would be answered that something is not there."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from schemathesis import Case

from tests.fuzzing.bodies import Bodies, Form
from tests.fuzzing.documents import USER
from tests.fuzzing.scene import ADMIN, Scene, Tenant

#: Share of the ids in paths that exist, and of those that belong to the app that asks.
REAL_IDS = 0.8
OWN_IDS = 0.9

#: Share of bodies that pass as a whole, and share of fields in the others that have a value that passes.
GOOD_BODIES = 0.4
GOOD_FIELDS = 0.4

#: Share of requests without their key, or with another one.
STRANGERS = 0.04

#: Parameters of admin paths whose values belong to apps of any kind, those with keys of their own too.
OF_ANY_APP = frozenset({"run_id", "batch_id", "schedule"})


class Enriched:
    """A request as it is sent: the case itself is changed; ``headers`` and ``form`` go beside it."""

    def __init__(self, case: Case, scene: Scene, random: Random) -> None:
        self.case = case
        self.path = case.operation.path
        self.tenant = scene.tenant_for(self.path, random)
        self.is_stranger = random.random() < STRANGERS
        self.headers = credentials(self.path, self.tenant, random) if self.is_stranger else known_credentials(self.path, self.tenant)
        self.form: Form | None = None
        self._scene = scene
        self._random = random
        self._fill_path()
        self._fill_query()
        self._fill_body()

    def _fill_path(self) -> None:
        for name in self.case.path_parameters or {}:
            value = self._existing(name)
            if value is not None and self._random.random() < REAL_IDS:
                self.case.path_parameters[name] = value

    def _existing(self, name: str) -> str | None:
        """Mostly of the app that asks; sometimes of another one, whose things it must not see."""
        if "-providers/" in self.path:
            return f"fuzzed_{self._random.randrange(3)}"
        if self.path.startswith("/form/"):
            name = "form_token"
        everyone = [*self._scene.kept, *self._scene.expendable]
        is_own = self._random.random() < OWN_IDS and not (name in OF_ANY_APP and self.path.startswith("/admin/"))
        owners = [self.tenant] if is_own and not self.path.startswith(("/form/", "/triggers/")) else everyone
        if name == "app":
            owners = [self.tenant]
        found = [value for owner in owners if (value := owner.known.pick(name, self._random)) is not None]
        return self._random.choice(found) if found else None

    def _fill_query(self) -> None:
        if self.path in self._scene.signed and self._random.random() < REAL_IDS:
            parameters, signature = self._scene.signed[self.path]
            self.case.path_parameters.update(parameters)
            self.case.query = {**(self.case.query or {}), **signature}
        if "user" in (self.case.query or {}) and self._random.random() < REAL_IDS:
            self.case.query["user"] = USER

    def _fill_body(self) -> None:
        case, bodies = self.case, Bodies(self.tenant.known, self._scene.neighbour.url, self._random)
        if self._random.random() < GOOD_BODIES:
            self._take(bodies)
        elif isinstance(case.body, dict):
            known = bodies.values()
            case.body = {
                name: known[name] if name in known and self._random.random() < GOOD_FIELDS else value for name, value in case.body.items()
            }
        case.body = at_home(case.body, self._scene.neighbour.url)

    def _take(self, bodies: Bodies) -> None:
        """A body that passes; one that would fail on the way there is left out, too."""
        case = self.case
        if case.method != case.operation.method.upper() or case.method == "GET":
            return
        self.headers["Idempotency-Key"] = f"key-{self._random.randrange(10**6)}"
        if case.media_type == "multipart/form-data" and (form := bodies.form(self.path)) is not None:
            self.form = form
        elif (body := bodies.good(self.path)) is not None:
            case.body, case.media_type = body, case.media_type or "application/json"


def known_credentials(path: str, tenant: Tenant) -> dict[str, str]:
    return dict(ADMIN) if path.startswith("/admin/") else {"Authorization": f"Bearer {tenant.api_key}"}


def credentials(path: str, tenant: Tenant, random: Random) -> dict[str, str]:
    """Those of somebody else."""
    other = {"Authorization": f"Bearer {tenant.api_key}"} if path.startswith("/admin/") else dict(ADMIN)
    return dict(random.choice(({"Authorization": ""}, {"Authorization": "Bearer app-none"}, {"Authorization": "Basic YTpi"}, other)))


def at_home(value: Any, url: str) -> Any:
    """The same value, its web addresses turned to a receiver on this machine: generated names of hosts are not asked for."""
    if isinstance(value, str) and value.lower().startswith(("http://", "https://")):
        return redirected(value, url)
    if isinstance(value, Mapping):
        return {name: at_home(inner, url) for name, inner in value.items()}
    return [at_home(inner, url) for inner in value] if isinstance(value, list) else value


def redirected(address: str, url: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    home = urlsplit(url)
    return address if parts.netloc == home.netloc else urlunsplit(parts._replace(scheme=home.scheme, netloc=home.netloc))

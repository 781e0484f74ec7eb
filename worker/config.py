"""Settings of both processes: one frozen dataclass, read once from the environment and handed down as an argument.

The table is the documentation: ``docs/settings.md`` is checked against it.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from worker.engine.limits import Limits


class ConfigError(Exception):
    """A setting has a value that cannot be used; names variable, value and the expected form."""


def _text(value: str) -> str:
    return value


def _integer(value: str) -> int:
    return int(value)


def _seconds(value: str) -> float:
    number = float(value)
    if not number >= 0:
        raise ValueError(value)
    return number


def _switch(value: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False, "": False}
    return words[value.strip().lower()]


def _entries(value: str) -> tuple[str, ...]:
    return tuple(entry for entry in value.replace(",", " ").split() if entry)


EXPECTED: Mapping[Callable[[str], Any], str] = {
    _text: "text",
    _integer: "a whole number",
    _seconds: "a number of seconds, 0 or more",
    _switch: "true or false",
    _entries: "a list, separated by commas",
    Path: "a folder",
}


def setting(variable: str, default: Any, parse: Callable[[str], Any], doc: str) -> Any:
    """A field that is read from ``variable``; ``doc`` is its line in docs/settings.md."""
    return field(default=default, metadata={"variable": variable, "parse": parse, "doc": doc})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What API, worker and command line share."""

    data_dir: Path = setting(
        "PENSTOCK_DATA_DIR", Path("penstock-data"), Path, "Folder of the embedded default: SQLite file, Valkey's append-only file, files."
    )
    database_url: str = setting("DATABASE_URL", "", _text, "PostgreSQL or SQLite URL. Empty: a SQLite file in the data folder.")
    redis_url: str = setting(
        "REDIS_URL", "", _text, "Redis or Valkey URL (rediss:// and unix:// too). Empty: the one that `penstock up` starts."
    )
    secret_key: str = setting("PENSTOCK_SECRET_KEY", "", _text, "Signs file URLs. Empty: a random one, made once and kept in the database.")
    redis_prefix: str = setting(
        "PENSTOCK_REDIS_PREFIX", "penstock:", _text, "Put before every key and channel, so that deployments can share a Redis."
    )
    outbound_allow: tuple[str, ...] = setting(
        "PENSTOCK_OUTBOUND_ALLOW", (), _entries, "CIDRs and host names that workflows may call although they are private or loopback."
    )
    files_url: str = setting(
        "PENSTOCK_FILES_URL", "", _text, "Public base URL of this deployment, put before signed file URLs. Empty: the API's own address."
    )
    file_store: str = setting(
        "PENSTOCK_FILE_STORE", "", _text, "`folder` or `sql`. Empty: a folder with SQLite, the database with PostgreSQL."
    )
    files_access_timeout_s: float = setting(
        "PENSTOCK_FILES_ACCESS_TIMEOUT", 300.0, _seconds, "Seconds for which a signed file URL is valid."
    )
    worker_pool: str = setting("PENSTOCK_WORKER_POOL", "threads", _text, "Celery pool of the workers: `threads` or `gevent`.")
    worker_concurrency: int = setting("PENSTOCK_WORKER_CONCURRENCY", 32, _integer, "Runs that one worker process executes at a time.")
    lease_s: float = setting("PENSTOCK_LEASE", 30.0, _seconds, "Seconds after which a run of a silent worker is given to another one.")
    heartbeat_s: float = setting("PENSTOCK_HEARTBEAT", 5.0, _seconds, "Seconds between two renewals of a worker's leases.")
    sweep_s: float = setting("PENSTOCK_SWEEP", 5.0, _seconds, "Seconds between two searches for lost runs.")
    resend_s: float = setting("PENSTOCK_RESEND", 30.0, _seconds, "Seconds after which the task of a run that nobody claimed is sent again.")
    max_attempts: int = setting("PENSTOCK_MAX_ATTEMPTS", 3, _integer, "Workers that a run may lose before it is ended as failed.")
    drain_s: float = setting(
        "PENSTOCK_DRAIN", 5.0, _seconds, "Seconds that nodes in flight get on SIGTERM before their runs are handed over."
    )
    event_log_max_events: int = setting(
        "PENSTOCK_EVENT_LOG_MAX_EVENTS", 10_000, _integer, "Events of a run that Redis keeps; older ones are read from SQL."
    )
    event_log_ttl_s: float = setting(
        "PENSTOCK_EVENT_LOG_TTL", 3600.0, _seconds, "Seconds for which Redis keeps the events of a run after the last one."
    )
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Config:
        """Read every setting. Raises ``ConfigError`` that names variable, value and expected form."""
        values = read_settings(cls, environ)
        return cls(**values, limits=Limits(**read_limits(environ)))

    @property
    def sql_url(self) -> str:
        """SQLAlchemy URL: `DATABASE_URL` with the psycopg 3 driver, else the SQLite file in the data folder."""
        url = self.database_url
        if not url:
            return f"sqlite:///{self.data_dir.resolve() / 'penstock.sqlite3'}"
        for scheme in ("postgres://", "postgresql://"):
            if url.startswith(scheme):
                return "postgresql+psycopg://" + url.removeprefix(scheme)
        return url


def read_settings(cls: type[Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Values of a settings dataclass that the environment sets."""
    found = {}
    for item in fields(cls):
        variable = item.metadata.get("variable")
        if variable and environ.get(variable, "") != "":
            found[item.name] = parse_setting(variable, environ[variable], item.metadata["parse"])
    return found


def read_limits(environ: Mapping[str, str]) -> dict[str, Any]:
    """Limits that the environment sets, by their names with ``PENSTOCK_``."""
    found: dict[str, Any] = {}
    for item in fields(Limits):
        variable = "PENSTOCK_" + item.name.upper()
        if environ.get(variable, "") != "":
            found[item.name] = parse_setting(variable, environ[variable], _integer if isinstance(item.default, int) else _seconds)
    return found


def parse_setting(variable: str, value: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(value)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{variable} is {value!r}, but must be {EXPECTED.get(parse, 'of another form')}.") from error


def process_name() -> str:
    """Owner of this process's leases: unique over hosts and restarts."""
    return f"{os.getpid()}-{uuid.uuid4().hex[:12]}"

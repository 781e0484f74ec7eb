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


def text(value: str) -> str:
    return value


def integer(value: str) -> int:
    return int(value)


def count(value: str) -> int:
    number = int(value)
    if number < 0:
        raise ValueError(value)
    return number


def seconds(value: str) -> float:
    number = float(value)
    if not number >= 0:
        raise ValueError(value)
    return number


def days(value: str) -> float:
    return seconds(value)


def switch(value: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False, "": False}
    return words[value.strip().lower()]


def _strictness(value: str) -> str:
    if value not in ("auto", "required"):
        raise ValueError(value)
    return value


def _sending(value: str) -> str:
    if value not in ("base64", "url"):
        raise ValueError(value)
    return value


def entries(value: str) -> tuple[str, ...]:
    return tuple(entry for entry in value.replace(",", " ").split() if entry)


EXPECTED: Mapping[Callable[[str], Any], str] = {
    text: "text",
    integer: "a whole number",
    count: "a whole number, 0 or more",
    seconds: "a number of seconds, 0 or more",
    days: "a number of days, 0 or more",
    switch: "true or false",
    _strictness: "`auto` or `required`",
    _sending: "`base64` or `url`",
    entries: "a list, separated by commas",
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
    database_url: str = setting("DATABASE_URL", "", text, "PostgreSQL or SQLite URL. Empty: a SQLite file in the data folder.")
    redis_url: str = setting(
        "REDIS_URL", "", text, "Redis or Valkey URL (rediss:// and unix:// too). Empty: the one that `penstock up` starts."
    )
    secret_key: str = setting(
        "PENSTOCK_SECRET_KEY",
        "",
        text,
        "Signs file URLs; seals keys of providers, the values of `penstock apps env`, secrets in documents, of webhooks and of "
        "webhook triggers, which need it with `DATABASE_URL`. "
        "Empty: random keys, made once.",
    )
    redis_prefix: str = setting(
        "PENSTOCK_REDIS_PREFIX", "penstock:", text, "Put before every key and channel, so that deployments can share a Redis."
    )
    outbound_allow: tuple[str, ...] = setting(
        "PENSTOCK_OUTBOUND_ALLOW", (), entries, "CIDRs and host names that workflows may call although they are private or loopback."
    )
    http_allow_insecure_tls: bool = setting(
        "PENSTOCK_HTTP_ALLOW_INSECURE_TLS",
        True,
        switch,
        "Honour `ssl_verify: false` of http-request nodes, as Dify does. False: certificates are always checked.",
    )
    http_idempotency_keys: bool = setting(
        "PENSTOCK_HTTP_IDEMPOTENCY_KEYS",
        False,
        switch,
        "Send `Idempotency-Key: <run>:<node>` with http-request nodes that POST, PUT, PATCH or DELETE and set none themselves.",
    )
    files_url: str = setting(
        "PENSTOCK_FILES_URL",
        "",
        text,
        "Public base URL of this deployment, put before signed file URLs. Empty: the API's own address.",
    )
    file_store: str = setting(
        "PENSTOCK_FILE_STORE", "", text, "`folder` or `sql`. Empty: a folder with SQLite, the database with PostgreSQL."
    )
    files_access_timeout_s: float = setting(
        "PENSTOCK_FILES_ACCESS_TIMEOUT", 300.0, seconds, "Seconds for which a signed file URL is valid."
    )
    worker_pool: str = setting("PENSTOCK_WORKER_POOL", "threads", text, "Celery pool of the workers: `threads` or `gevent`.")
    worker_concurrency: int = setting("PENSTOCK_WORKER_CONCURRENCY", 100, integer, "Runs that one worker process executes at a time.")
    lease_s: float = setting("PENSTOCK_LEASE", 15.0, seconds, "Seconds after which a run of a silent worker is given to another one.")
    heartbeat_s: float = setting("PENSTOCK_HEARTBEAT", 5.0, seconds, "Seconds between two renewals of a worker's leases.")
    sweep_s: float = setting("PENSTOCK_SWEEP", 2.0, seconds, "Seconds between two searches for lost runs.")
    resend_s: float = setting("PENSTOCK_RESEND", 15.0, seconds, "Seconds after which the task of a run that nobody claimed is sent again.")
    max_attempts: int = setting("PENSTOCK_MAX_ATTEMPTS", 3, integer, "Workers that a run may lose before it is ended as failed.")
    quarantine_slots: int = setting(
        "PENSTOCK_QUARANTINE_SLOTS",
        8,
        integer,
        "Runs that one worker process executes at a time in processes of their own, since they have lost several workers.",
    )
    drain_s: float = setting(
        "PENSTOCK_DRAIN", 5.0, seconds, "Seconds that nodes in flight get on SIGTERM before their runs are handed over."
    )
    event_log_max_events: int = setting(
        "PENSTOCK_EVENT_LOG_MAX_EVENTS", 10_000, integer, "Events of a run that Redis keeps; older ones are read from SQL."
    )
    event_log_ttl_s: float = setting(
        "PENSTOCK_EVENT_LOG_TTL", 3600.0, seconds, "Seconds for which Redis keeps the events of a run after the last one."
    )
    retention_run_days: float = setting(
        "PENSTOCK_RETENTION_RUN_DAYS", 30.0, days, "Days after its end at which a run is removed with all that belongs to it. 0: never."
    )
    retention_detail_days: float = setting(
        "PENSTOCK_RETENTION_DETAIL_DAYS",
        7.0,
        days,
        "Days after its end at which a run loses its node results and events, but not its outputs. 0: not before it is removed.",
    )
    retention_file_days: float = setting(
        "PENSTOCK_RETENTION_FILE_DAYS",
        30.0,
        days,
        "Days after which an upload, or a file that a run made, is removed, unless a run that has not ended refers to it. 0: never.",
    )
    retention_max_runs: int = setting(
        "PENSTOCK_RETENTION_MAX_RUNS", 0, integer, "Runs of one app that are kept, of those that have ended: the newest. 0: any number."
    )
    sandbox: str = setting(
        "PENSTOCK_SANDBOX",
        "auto",
        _strictness,
        "`required`: run no code or template where the sandbox has no system call filter, or nothing that keeps it from the worker's "
        "files. `auto`: run it anyway.",
    )
    sandbox_packages: tuple[str, ...] = setting(
        "PENSTOCK_SANDBOX_PACKAGES",
        (),
        entries,
        "Installed pure-Python distributions that code nodes may import, such as `json_repair`.",
    )
    sandbox_network: bool = setting(
        "PENSTOCK_SANDBOX_NETWORK",
        False,
        switch,
        "Dangerous: code nodes may connect to whatever the worker can reach, databases and cloud metadata included, past every guard.",
    )
    sandbox_url: str = setting(
        "PENSTOCK_SANDBOX_URL",
        "",
        text,
        "URL of a dify-sandbox that code nodes run in. Empty: a process of the worker's own sandbox.",
    )
    sandbox_api_key: str = setting("PENSTOCK_SANDBOX_API_KEY", "", text, "Key of that dify-sandbox.")
    speech_model: str = setting(
        "PENSTOCK_SPEECH_MODEL", "", text, "Model that speaks texts, `provider/model`, such as `openai/gpt-4o-mini-tts`. Empty: none."
    )
    transcription_model: str = setting(
        "PENSTOCK_TRANSCRIPTION_MODEL",
        "",
        text,
        "Model that writes recordings down, `provider/model`, such as `openai/whisper-1`. Empty: none.",
    )
    speech_wait_s: float = setting(
        "PENSTOCK_SPEECH_WAIT", 5.0, seconds, "Seconds without audio after which the speech of a run that has ended is given up."
    )
    speech_max_wait_s: float = setting(
        "PENSTOCK_SPEECH_MAX_WAIT", 60.0, seconds, "Seconds that the speech of a run may go on after the run."
    )
    model_connect_timeout_s: float = setting("PENSTOCK_MODEL_CONNECT_TIMEOUT", 10.0, seconds, "Seconds to connect to a model provider.")
    model_first_token_timeout_s: float = setting(
        "PENSTOCK_MODEL_FIRST_TOKEN_TIMEOUT", 300.0, seconds, "Seconds from a request to the first piece of a model's answer."
    )
    model_token_timeout_s: float = setting(
        "PENSTOCK_MODEL_TOKEN_TIMEOUT", 120.0, seconds, "Seconds from one piece of a model's answer to the next."
    )
    model_timeout_s: float = setting("PENSTOCK_MODEL_TIMEOUT", 1200.0, seconds, "Seconds for a whole call of a model, retries included.")
    model_retries: int = setting(
        "PENSTOCK_MODEL_RETRIES",
        2,
        integer,
        "Further tries of a model call that a rate limit, a failing server or a broken connection ended before the answer began.",
    )
    model_prices: str = setting(
        "PENSTOCK_MODEL_PRICES", "", text, "JSON file with prices of models that count before the built-in table (docs/providers.md)."
    )
    multimodal_send_format: str = setting(
        "PENSTOCK_MULTIMODAL_SEND_FORMAT",
        "base64",
        _sending,
        "How models get pictures and films: `base64`, or `url`, a signed address that the provider must be able to reach.",
    )
    app_max_concurrency: int = setting(
        "PENSTOCK_APP_MAX_CONCURRENCY",
        0,
        count,
        "Runs of one app that may be open at a time, unless its own [limits](limits.md) say otherwise. 0: any number.",
    )
    app_max_rate: int = setting(
        "PENSTOCK_APP_MAX_RATE", 0, count, "Runs of one app that may begin in a minute, unless its own limits say otherwise. 0: any number."
    )
    key_max_concurrency: int = setting(
        "PENSTOCK_KEY_MAX_CONCURRENCY",
        0,
        count,
        "Runs of one key that may be open at a time, unless its own limits say otherwise. 0: any number.",
    )
    key_max_rate: int = setting(
        "PENSTOCK_KEY_MAX_RATE", 0, count, "Runs of one key that may begin in a minute, unless its own limits say otherwise. 0: any number."
    )
    max_queued: int = setting(
        "PENSTOCK_MAX_QUEUED", 10_000, count, "Runs of all apps that may wait for a worker; more are answered 503. 0: any number."
    )
    limits: Limits = field(default_factory=Limits)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Config:
        """Read every setting. Raises ``ConfigError`` that names variable, value and expected form."""
        values = read_settings(cls, environ)
        return cls(**values, limits=Limits(**read_limits(environ)))

    @property
    def sqlite_file(self) -> Path:
        """Where the embedded default keeps its database."""
        return self.data_dir.resolve() / "penstock.sqlite3"

    @property
    def sql_url(self) -> str:
        """SQLAlchemy URL: `DATABASE_URL` with the psycopg 3 driver, else the SQLite file in the data folder."""
        url = self.database_url
        if not url:
            return f"sqlite:///{self.sqlite_file}"
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
            found[item.name] = parse_setting(variable, environ[variable], integer if isinstance(item.default, int) else seconds)
    return found


def parse_setting(variable: str, value: str, parse: Callable[[str], Any]) -> Any:
    try:
        return parse(value)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{variable} is {value!r}, but must be {EXPECTED.get(parse, 'of another form')}.") from error


def process_name() -> str:
    """Owner of this process's leases: unique over hosts and restarts."""
    return f"{os.getpid()}-{uuid.uuid4().hex[:12]}"

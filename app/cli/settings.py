"""Settings of a command: the environment, `--data-dir`, and what a running `penstock up` says about itself."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from worker.config import Config, ConfigError

#: In the data folder: what commands beside a running `penstock up` need to know. Readable by its owner only.
STATE_FILE = "up.json"


@dataclass(frozen=True, slots=True)
class UpState:
    pid: int
    url: str
    redis_url: str


def pass_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option `--data-dir` and, as its first argument, the ``Config`` that follows from it."""

    @click.option(
        "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Folder of the embedded default (PENSTOCK_DATA_DIR)."
    )
    @functools.wraps(command)
    def wrapper(*args: Any, data_dir: Path | None, **kwargs: Any) -> Any:
        return command(load_config(os.environ, data_dir), *args, **kwargs)

    return wrapper


def load_config(environ: Mapping[str, str], data_dir: Path | None) -> Config:
    """Settings with an absolute data folder; an unset `REDIS_URL` is that of the `penstock up` which runs there.

    Raises ``ConfigError``.
    """
    found = dict(environ)
    if data_dir is not None:
        found["PENSTOCK_DATA_DIR"] = str(data_dir)
    found["PENSTOCK_DATA_DIR"] = str(Config.from_env(found).data_dir.expanduser().resolve())
    if not found.get("REDIS_URL"):
        state = read_state(Path(found["PENSTOCK_DATA_DIR"]))
        found["REDIS_URL"] = state.redis_url if state else ""
    return Config.from_env(found)


def child_environment(config: Config, **changes: str) -> dict[str, str]:
    """Environment of a process that must see the same data folder and Redis as this command."""
    return {**os.environ, "PENSTOCK_DATA_DIR": str(config.data_dir), "REDIS_URL": config.redis_url, **changes}


def require_redis(config: Config) -> Config:
    """Raises ``ConfigError`` if there is no Redis to talk to."""
    if not config.redis_url:
        raise ConfigError(f"REDIS_URL is not set, and no `penstock up` runs with the data folder {config.data_dir}.")
    return config


def require_kept_database(config: Config, environ: Mapping[str, str]) -> Config:
    """Refuse the default SQLite file where the disk is lost at each restart (reliability.md P54). Raises ``ConfigError``."""
    if environ.get("DYNO") and not config.database_url:
        raise ConfigError("DATABASE_URL is not set, and a SQLite file on a dyno is lost at its next restart: add a PostgreSQL database.")
    return config


def read_state(data_dir: Path) -> UpState | None:
    """What the `penstock up` of this folder wrote; None if there is none, or it is gone."""
    try:
        state = UpState(**json.loads((data_dir / STATE_FILE).read_text()))
        os.kill(state.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return state


def write_state(data_dir: Path, state: UpState) -> None:
    text = json.dumps({"pid": state.pid, "url": state.url, "redis_url": state.redis_url})
    descriptor = os.open(data_dir / STATE_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")


def remove_state(data_dir: Path) -> None:
    (data_dir / STATE_FILE).unlink(missing_ok=True)

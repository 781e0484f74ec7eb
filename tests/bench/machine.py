"""Where the figures come from: machine, disk, and versions of what took part."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from tests.services.postgres import installed_binaries, wheel_binaries, wheel_package
from tests.services.valkey import server_binary

PACKAGES = ("celery", "kombu", "flask", "gunicorn", "gevent", "redis", "sqlalchemy", "psycopg", "orjson")

SYNCS = 20


def describe() -> dict[str, str]:
    memory_kb = int(Path("/proc/meminfo").read_text().split("MemTotal:")[1].split()[0])
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{processor()}, {os.cpu_count()} cores, {memory_kb / 1024**2:.1f} GB, {platform.system()} {platform.release()}",
        "load average": load,
        "disk": f"a write and fsync of 4 KB: {sync_ms():.2f} ms at the median, in {tempfile.gettempdir()}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "PostgreSQL": first_line([str((installed_binaries() or wheel_binaries(wheel_package())) / "postgres"), "--version"]),
        "Redis": first_line([server_binary(), "--version"]),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def sync_ms() -> float:
    """What a durable commit costs at least, where the databases lie."""
    taken = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(SYNCS):
            began = time.monotonic()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            taken.append(1000 * (time.monotonic() - began))
    return median(taken)


def first_line(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]

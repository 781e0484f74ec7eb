"""Java properties: ``key: value`` lines."""

from __future__ import annotations

from worker.documents.encoding import decoded


def text(content: bytes) -> str:
    return "\n".join(_line(line.strip()) for line in decoded(content).splitlines())


def _line(line: str) -> str:
    """Comments and empty lines stay. The first ``=`` divides, where there is none the first ``:``."""
    if not line or line.startswith(("#", "!")):
        return line
    key, _, value = line.partition("=" if "=" in line else ":")
    return f"{key.strip()}: {value.strip()}"

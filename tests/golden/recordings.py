"""The recorded cases: runs of small workflow apps against Dify 1.12.1, and plain HTTP exchanges with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[1] / "data" / "golden"

FILE = re.compile(r"\$FILE:([\w.]+)")

MIME_TYPES = {
    "abc": "application/x-abc",
    "csv": "text/csv",
    "md": "text/markdown",
    "mp3": "audio/mpeg",
    "png": "image/png",
    "txt": "text/plain",
}


@dataclass(frozen=True, slots=True)
class RunCase:
    """One request, and what it was answered in both modes."""

    name: str
    app: str
    request: dict[str, Any]
    #: ``status`` and ``body``.
    blocking: dict[str, Any]
    #: The same of the record read afterwards; None if there was no run.
    detail: dict[str, Any] | None
    #: The stream; None if it was refused or not recorded.
    events: list[dict[str, Any]] | None
    #: Container whose children's events are not compared; empty: all are.
    uncompared_container: str
    #: Error body that the request got in streaming mode; its ``status`` is the HTTP status.
    refusal: dict[str, Any] | None

    @property
    def is_streamed(self) -> bool:
        """Whether the request was sent in streaming mode too."""
        return self.events is not None or self.refusal is not None

    @property
    def files(self) -> set[str]:
        """Names of the uploads that the request refers to."""
        return set(FILE.findall(json.dumps(self.request)))


def load_run(name: str) -> RunCase:
    case = json.loads((DATA / "runs" / f"{name}.json").read_text("utf-8"))
    return RunCase(
        name=name,
        app=case["app"],
        request=case["request"],
        blocking=case["blocking"],
        detail=case.get("detail"),
        events=case.get("events"),
        uncompared_container="",
        refusal=case.get("streaming_error"),
    )


def run_names() -> list[str]:
    return sorted(path.stem for path in (DATA / "runs").glob("*.json"))


def load_exchanges(group: str) -> dict[str, dict[str, Any]]:
    """``request`` and ``response`` by the case's name."""
    exchanges: dict[str, dict[str, Any]] = json.loads((DATA / "http" / f"{group}.json").read_text("utf-8"))
    return exchanges


def fill(value: Any, replace: Callable[[str], str]) -> Any:
    """``value`` with every text in it replaced."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, list):
        return [fill(item, replace) for item in value]
    if isinstance(value, dict):
        return {name: fill(item, replace) for name, item in value.items()}
    return value


def with_stub(text: str, stub_url: str) -> str:
    """A recorded text with the address of the stub that serves now."""
    return text.replace("{{STUB}}", stub_url).replace("{{STUBHOST}}", stub_url.removeprefix("http://"))


def with_uploads(text: str, uploads: Mapping[str, str]) -> str:
    """A recorded text with the ids of uploads that exist now, by file name."""
    return FILE.sub(lambda found: uploads.get(found.group(1), found.group(0)), text)

"""A request as the scripted web reads it, whatever server it was meant for."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Parts of a path: of `/api/hotlist/36Ke` these are `api`, `hotlist` and `36ke`.
WORD = re.compile(r"[^/._-]+")


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    #: Of the server that was meant, with its port if that is no usual one.
    host: str
    path: str
    query: str
    accept: str
    content_type: str
    body: bytes

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> Asked:
        """From WSGI's environment."""
        return cls(
            environ["REQUEST_METHOD"],
            environ.get("HTTP_HOST", "").lower(),
            environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"),
            environ.get("QUERY_STRING", ""),
            environ.get("HTTP_ACCEPT", "").lower(),
            environ.get("CONTENT_TYPE", "").lower(),
            environ["wsgi.input"].read(),
        )

    @property
    def address(self) -> str:
        """Without scheme and query."""
        return f"{self.host}{self.path}"

    @property
    def extension(self) -> str:
        """Lower case, without dot."""
        return posixpath.splitext(self.path)[1].lower().removeprefix(".")

    @property
    def words(self) -> list[str]:
        return WORD.findall(self.path.lower())

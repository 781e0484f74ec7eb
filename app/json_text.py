"""JSON of answers."""

from __future__ import annotations

from typing import Any

from flask.json.provider import JSONProvider

from worker.store.encoding import dumps, loads


class StoreJSON(JSONProvider):
    """As the store reads and writes it: fast, and exact for integers of any size."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return dumps(obj).lstrip() + "\n"

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return loads(s.decode() if isinstance(s, bytes) else s)

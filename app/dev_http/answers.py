"""What the scripted web answers, by the path of a request and by what it accepts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from app.dev_http.answer import HTML, RSS, Answer, of_json, of_text
from app.dev_http.asked import Asked
from app.dev_http.files import MAKERS, content_of
from app.dev_http.known_apis import known_api
from app.dev_http.samples import feed, page, record, records
from worker.engine.media_types import mime_of_name

PICTURES = frozenset({"jpg", "jpeg", "gif", "webp", "bmp"})
#: Not those that have several forms here, or are told apart by more than their name.
FILES = (frozenset(MAKERS) | {"txt", "md"}) - {"json", "html"}
PAGES = frozenset({"html", "htm", "php", "asp", "aspx", "jsp"})
FEED_WORDS = frozenset({"rss", "feed", "feeds", "atom", "rss2"})

#: Words in a path that promise several things; so do plurals, unless something is sent there to be added.
LIST_WORDS = ("list", "search", "hot", "trending", "latest", "query", "all")


def answer_to(asked: Asked) -> Answer:
    return next(answer for answer in (find(asked) for find in FINDERS) if answer is not None)


def _file(asked: Asked) -> Answer | None:
    is_picture = asked.extension in PICTURES or (not asked.extension and asked.accept.startswith("image/"))
    extension = "png" if is_picture else asked.extension
    return Answer(content_of(extension), mime_of_name(f"x.{extension}")) if extension in FILES else None


def _feed(asked: Asked) -> Answer | None:
    is_wanted = FEED_WORDS & set(asked.words) or asked.extension == "xml" or asked.accept.startswith("application/rss+xml")
    return of_text(feed(f"News of {asked.host}", f"https://{asked.host}/"), RSS) if is_wanted else None


def _page(asked: Asked) -> Answer | None:
    is_wanted = asked.extension in PAGES or asked.accept.startswith("text/html")
    return of_text(page(title_of(asked)), HTML) if is_wanted else None


def _json(asked: Asked) -> Answer:
    """Much in one object: who calls an interface finds what it looks for under one of the usual names."""
    data: Any = records() if promises_several(asked) else record(1)
    said = {"code": 0, "success": True, "status": "success", "message": "success"}
    return of_json({**record(1), **said, "data": data, "items": records(), "results": records(), "total": len(records())})


def promises_several(asked: Asked) -> bool:
    """``/orders`` are several, ``/orders/7`` is one of them."""
    is_one = asked.words[-1:] and asked.words[-1].isdecimal()
    is_read = asked.method in ("GET", "HEAD")
    return not is_one and any(word.endswith(LIST_WORDS) or (is_read and _is_plural(word)) for word in asked.words)


def _is_plural(word: str) -> bool:
    return len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))


def title_of(asked: Asked) -> str:
    named = [word for word in asked.words if not word.isdecimal()]
    return " ".join(named).capitalize() or f"Welcome to {asked.host}"


#: In this order; the last one always answers.
FINDERS: Sequence[Callable[[Asked], Answer | None]] = (known_api, _file, _feed, _page, _json)

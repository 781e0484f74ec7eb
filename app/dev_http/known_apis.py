"""Interfaces that many workflows call by HTTP, answered in the form that their callers expect."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from app.dev_http.answer import Answer, of_json, of_text
from app.dev_http.asked import Asked
from app.dev_http.samples import DATE, HEADLINES, PICTURE, markdown, record, records

#: What code that was sent to a sandbox is said to have printed.
PRINTED = "A sample result\n"


def known_api(asked: Asked) -> Answer | None:
    return next((answer(asked) for pattern, answer in KNOWN.items() if pattern.search(asked.address)), None)


def _pictures(asked: Asked) -> Answer:
    return of_json({"created": 1_768_464_000, "data": [{"url": PICTURE, "revised_prompt": HEADLINES[0]}]})


def _sandbox(asked: Asked) -> Answer:
    return of_json({"code": 0, "message": "success", "data": {"error": "", "stdout": PRINTED}})


def _stories(asked: Asked) -> Answer:
    return of_json([3, 2, 1])


def _story(asked: Asked) -> Answer:
    number = int(re.findall(r"\d+", asked.path)[-1])
    told = record(number)
    facts = {name: told[name] for name in ("id", "title", "url", "text", "score")}
    return of_json({**facts, "type": "story", "by": told["author"], "time": 1_768_464_000, "descendants": 0})


def _hot_list(asked: Asked) -> Answer:
    facts = ({**told, "index": told["id"], "desc": told["description"], "pic": PICTURE, "hot": "4.2k"} for told in records())
    data = [{**told, "mobilUrl": told["url"]} for told in facts]
    return of_json({"success": True, "name": asked.host, "title": asked.host, "subtitle": "Hot", "update_time": DATE, "data": data})


def _reader(asked: Asked) -> Answer:
    return of_text(markdown(HEADLINES[0], asked.path.removeprefix("/")))


def _echo(asked: Asked) -> Answer:
    """What was asked, as the public echo servers answer it."""
    told = {
        "url": f"https://{asked.address}",
        "method": asked.method,
        "args": dict(parse_qsl(asked.query)),
        "headers": {"Host": asked.host},
    }
    return of_json({**told, **_echoed_body(asked)})


def _echoed_body(asked: Asked) -> Mapping[str, Any]:
    text = asked.body.decode("utf-8", "replace")
    if asked.content_type.startswith("application/x-www-form-urlencoded"):
        return {"data": "", "form": dict(parse_qsl(text)), "json": None}
    try:
        return {"data": text, "form": {}, "json": json.loads(text)}
    except ValueError:
        return {"data": text, "form": {}, "json": None}


#: By host and path.
KNOWN: Mapping[re.Pattern[str], Callable[[Asked], Answer]] = {
    re.compile(r"/images/(generations|edits|variations)$"): _pictures,
    re.compile(r"/sandbox/run$"): _sandbox,
    re.compile(r"/v0/(top|new|best|ask|show|job)stories\.json$"): _stories,
    re.compile(r"/v0/item/\d+\.json$"): _story,
    re.compile(r"/api/hotlist(/|$)"): _hot_list,
    re.compile(r"^[rs]\.jina\.ai/"): _reader,
    re.compile(r"^(www\.)?(httpbin\.org|postman-echo\.com)/|/anything$"): _echo,
}

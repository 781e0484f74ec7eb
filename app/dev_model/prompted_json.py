"""JSON that a prompt asks for in prose: what a model would answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import json_repair

from app.dev_model.asked import Asked
from app.dev_model.samples import sample_of
from app.dev_model.vectors import likeness

DECODER = json.JSONDecoder()

#: Prompts that want JSON say so, in one of the languages that exports are written in.
WISH = re.compile(
    r"\b(return|respond|answer|output|reply|format|generate|produce)\b[^\n]{0,80}\bJSON\b"
    r"|\bJSON\b[^\n]{0,40}\b(only|format|object|array|list|output|response)\b"
    r"|(返回|输出|回答|生成|使用|按照|格式|以|为)[^\n]{0,20}JSON|JSON[^\n]{0,12}(返回|输出|格式|回答|形式)",
    re.IGNORECASE,
)
#: How agents that act in text give their answer.
FINAL_ANSWER = "Final Answer"

BRACKET = re.compile(r"[{\[]")
DOTS = re.compile(r"[.…\s]*")


def prompted_value(asked: Asked) -> tuple[Any] | None:
    """The value that answers the prompt, in a tuple; None where plain text does."""
    texts = [turn.text for turn in reversed(asked.turns) if turn.role != "tool"]
    if (category := _category(texts)) is not None:
        return (category,)
    if any(FINAL_ANSWER in text and '"action"' in text for text in texts):
        return (_action(texts, asked.question),)
    if (schema := _schema(texts)) is not None:
        return (sample_of(schema),)
    if not any(WISH.search(text) for text in texts):
        return None
    example = next((found for text in texts if (found := _example(text)) is not None), None)
    return ({"result": f"Sample result for: {asked.question[:60]}"} if example is None else example,)


def _category(texts: Sequence[str]) -> Mapping[str, Any] | None:
    """One of the categories that a classifier lists: the one most like the text before the list."""
    for text in texts:
        # The last ones: examples come before what is asked.
        for position, value in reversed(list(_values(text))):
            for categories in _lists_of_categories(value):
                return _best(categories, _text_beside(categories, value, text[:position]))
    return None


def _best(categories: Sequence[Mapping[str, Any]], text: str) -> Mapping[str, Any]:
    found = max(categories, key=lambda category: likeness(text, str(category.get("category_name"))))
    return {"keywords": text.split()[-3:], "category_id": found["category_id"], "category_name": found.get("category_name")}


def _text_beside(categories: Any, value: Any, before: str) -> str:
    """What is to be classified: it stands in the same object as the categories, else before them."""
    if not isinstance(value, Mapping):
        return before
    return " ".join(str(item) for item in value.values() if item is not categories)


def _lists_of_categories(value: Any) -> Iterator[Sequence[Mapping[str, Any]]]:
    if isinstance(value, list):
        if value and all(isinstance(item, Mapping) and "category_id" in item for item in value):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _lists_of_categories(item)


def _action(texts: Sequence[str], question: str) -> Mapping[str, Any]:
    """The step of an agent that acts in text: a tool first, and the answer when it has seen one's result."""
    described = [value for text in texts for _, value in _values(text) if isinstance(value, Mapping) and "parameters" in value]
    if "Observation:" in question or not described:
        return {"action": FINAL_ANSWER, "action_input": f"A sample answer to: {' '.join(question.split())[:60]}"}
    tool = next((tool for tool in described if str(tool.get("name")) in question), described[0])
    return {"action": tool.get("name"), "action_input": sample_of(tool["parameters"])}


def _schema(texts: Sequence[str]) -> Mapping[str, Any] | None:
    for text in texts:
        for _, value in reversed(list(_values(text))):
            for schema in _schemas_in(value):
                return schema
    return None


def _schemas_in(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if value.get("type") == "object" and isinstance(value.get("properties"), Mapping):
            yield value
        for item in value.values():
            yield from _schemas_in(item)


def _values(text: str) -> Iterator[tuple[int, Any]]:
    """The JSON objects and lists of a text with their places; one inside another only if the outer is no JSON."""
    position = 0
    while (opening := BRACKET.search(text, position)) is not None:
        try:
            value, position = DECODER.raw_decode(text, opening.start())
            yield opening.start(), value
        except (ValueError, RecursionError):
            position = opening.start() + 1


def _example(text: str) -> Any | None:
    """What the last example of a text shows, JSON or nearly so."""
    for block in reversed(list(_blocks(text))):
        value = _tidy(json_repair.loads(block))
        if isinstance(value, dict | list) and value:
            return value
    return None


def _blocks(text: str) -> Iterator[str]:
    """Outermost parts in balanced brackets that have something of JSON: a quote."""
    depth, start = 0, 0
    for position, character in enumerate(text):
        if character in "{[":
            start, depth = (position if depth == 0 else start), depth + 1
        elif character in "}]" and depth:
            depth -= 1
            if depth == 0 and '"' in text[start:position]:
                yield text[start : position + 1]


def _tidy(value: Any) -> Any:
    """Examples end lists with dots, which stand for more of the same; texts without quotes were read too far."""
    if isinstance(value, Mapping):
        return {key: _tidy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_tidy(item) for item in value if not (isinstance(item, str) and DOTS.fullmatch(item))]
    return value.strip("{}[](), \n") if isinstance(value, str) else value

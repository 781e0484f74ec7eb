"""What the scripted model says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.dev_model.asked import Asked, Tool
from app.dev_model.directives import Directives
from app.dev_model.pictures import picture_url
from app.dev_model.prompted_json import prompted_value
from app.dev_model.samples import sample_of
from app.dev_model.steps import Pause
from app.dev_model.tokens import made_up_words, stable_hash, tokens_of

#: Words of an answer that nothing else determines.
PLAIN_WORDS = 20
#: Characters of the question that such an answer repeats.
QUOTED = 60

#: In ASCII, since a word ends where a Chinese character begins.
WANTS_PYTHON = re.compile(r"\bpython\b[\s\S]*(\bcode\b|代码)|(\bcode\b|代码)[\s\S]*\bpython\b", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    name: str
    #: JSON.
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, cut into tokens."""

    text: Sequence[str]
    reasoning: Sequence[str]
    calls: Sequence[Call]
    #: "stop", "length" or "tool_calls", unless a directive names another.
    finish: str
    #: None: the vendor tells no usage.
    usage: Usage | None
    #: Texts are replaced by the time when they are sent.
    is_clock: bool = False
    #: Data URLs.
    pictures: Sequence[str] = ()
    #: The text is spoken; only its transcript is written.
    is_sound: bool = False

    @property
    def size(self) -> int:
        """Tokens of a stream: as many as it pauses for."""
        return len(self.text) + len(self.reasoning) + sum(len(tokens_of(call.arguments)) for call in self.calls)

    def spoken(self) -> Iterator[str | Pause]:
        """The text as it is streamed."""
        for token in self.text:
            yield Pause.TOKEN
            # After the pause: what is sent now must tell the time of now.
            yield f"{time.time_ns()} " if self.is_clock else token

    @property
    def whole_text(self) -> str:
        return "".join(piece for piece in self.spoken() if isinstance(piece, str))


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0


def reply_to(asked: Asked, script: Directives) -> Reply:
    calls = _calls(asked, script)
    full = [] if calls else _text(asked, script)
    text, finish = _limited(_until_stop(full, asked.stop), asked.max_tokens)
    reasoning = tokens_of(script.reasoning or "")
    count = len(text) + len(reasoning) + sum(len(tokens_of(call.arguments)) + 1 for call in calls)
    usage = Usage(_or(script.prompt_tokens, asked.prompt_tokens), _or(script.completion_tokens, count), len(reasoning))
    finish = script.finish or ("tool_calls" if calls else finish)
    pictures = [picture_url(f"{number} {asked.seed}") for number in range(script.images)]
    return Reply(text, reasoning, calls, finish, usage if script.usage else None, script.clock, pictures, script.sound)


def _or(given: int | None, counted: int) -> int:
    return counted if given is None else given


def _text(asked: Asked, script: Directives) -> list[str]:
    thought = f"<think>{script.think}</think>\n\n" if script.think else ""
    return tokens_of(thought) + _said(asked, script)


def _said(asked: Asked, script: Directives) -> list[str]:
    if script.text is not None:
        return tokens_of(script.text)
    if script.tokens is not None:
        return made_up_words(asked.seed, script.tokens)
    return tokens_of(_plausible(asked))


def _plausible(asked: Asked) -> str:
    """What a model that wants to please would answer."""
    if asked.schema is not None:
        return _json(sample_of(asked.schema))
    value = prompted_value(asked)
    if asked.wants_json:
        return _json({"result": _prose(asked)} if value is None else value[0])
    if value is not None:
        return f"```json\n{_json(value[0])}\n```"
    if WANTS_PYTHON.search(asked.seed):
        return '```python\nprint("A sample of Python code")\n```'
    return _prose(asked)


def _prose(asked: Asked) -> str:
    quoted = " ".join(asked.question.split())
    cut = quoted[:QUOTED] + ("…" if len(quoted) > QUOTED else "")
    return f"A sample answer{f' to “{cut}”' if cut else ''}: {''.join(made_up_words(asked.seed, PLAIN_WORDS))}."


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _calls(asked: Asked, script: Directives) -> list[Call]:
    """A model that has its results answers in words; one that was offered tools first uses the one that fits."""
    if asked.has_tool_results:
        return []
    if script.calls is not None:
        wanted = [(str(call.get("name")), call.get("arguments") or {}) for call in script.calls]
    elif script.tool is not None:
        wanted = [(script.tool, script.arguments or {})]
    else:
        wanted = [(tool.name, sample_of(tool.parameters)) for tool in _chosen(asked, script)]
    return [_call(asked, number, name, arguments) for number, (name, arguments) in enumerate(wanted)]


def _chosen(asked: Asked, script: Directives) -> list[Tool]:
    says_something = script.text is not None or script.tokens is not None
    if not asked.tools or asked.tool_choice == "none" or (asked.tool_choice == "auto" and says_something):
        return []
    named = [tool for tool in asked.tools if tool.name == asked.tool_choice]
    mentioned = [tool for tool in asked.tools if tool.name in asked.question]
    return (named or mentioned or list(asked.tools))[:1]


def _call(asked: Asked, number: int, name: str, arguments: Any) -> Call:
    return Call(f"call_{stable_hash(f'{number} {asked.seed}'):016x}", name, _json(arguments))


def _until_stop(tokens: Sequence[str], stop: Sequence[str]) -> list[str]:
    text = "".join(tokens)
    ends = [place for word in stop if word and (place := text.find(word)) >= 0]
    return tokens_of(text[: min(ends)]) if ends else list(tokens)


def _limited(tokens: list[str], most: int | None) -> tuple[list[str], str]:
    is_cut = most is not None and len(tokens) > most
    return (tokens[:most], "length") if is_cut else (tokens, "stop")

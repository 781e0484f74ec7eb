"""The text form of thinking and acting: how it is asked for, and how it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import json_repair

from worker.engine.models import SYSTEM, USER, Message, ToolSpec

#: Where the model must leave the word to the tool.
STOP = "Observation:"

FINAL = "Final Answer"

FORM = """You can use these tools:

{tools}

Answer in this form, and nothing else:

Thought: what you think about the next step
Action:
```json
{{"action": "NAME", "action_input": INPUT}}
```

NAME is one of: {names}. INPUT is a JSON object with the tool's parameters. After an action, stop: the result comes as "{stop}".
Go on like this until you know the answer; then give it with the action "{final}" and the answer as INPUT, a text."""

LAST = "This is the last step: give the final answer now, from what is known so far."

#: A block of JSON between fences, or an object that stands alone.
FENCE = re.compile(r"```(?:json)?\s*(\{.*?\})\s*```", re.DOTALL)
BARE = re.compile(r"\{\s*\"action\".*\}", re.DOTALL)
WRITTEN_OUT = re.compile(rf"{FINAL}\s*:\s*(.*)", re.DOTALL | re.IGNORECASE)
THOUGHT = re.compile(r"^\s*Thought\s*:\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the model wants: a tool, or to give its answer."""

    answer: str = ""
    tool: str = ""
    arguments: Mapping[str, Any] | str = field(default_factory=dict)

    @property
    def is_final(self) -> bool:
        return not self.tool


def instruction(own: str, tools: Sequence[ToolSpec]) -> str:
    shown = [{"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in tools]
    listed = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in shown) or "none"
    names = ", ".join([*(tool.name for tool in tools), FINAL])
    form = FORM.format(tools=listed, names=names, stop=STOP, final=FINAL)
    return f"{own}\n\n{form}" if own else form


def messages(system: str, query: str, history: str, *, is_last: bool) -> list[Message]:
    parts = [f"Question: {query}", history.strip(), LAST if is_last else ""]
    return [Message.of(SYSTEM, system), Message.of(USER, "\n".join(part for part in parts if part))]


def read(text: str) -> Decision:
    """A text without a well-formed action is an answer."""
    said = text.partition(STOP)[0].strip()
    found = action_in(said)
    if found is None:
        written = WRITTEN_OUT.search(said)
        return Decision(answer=(written[1] if written else THOUGHT.sub("", said)).strip())
    name, given = str(found["action"]), found.get("action_input", {})
    if name.strip().lower() == FINAL.lower():
        return Decision(answer=given if isinstance(given, str) else json.dumps(given, ensure_ascii=False))
    return Decision(tool=name, arguments=given if isinstance(given, dict | str) else {})


def action_in(text: str) -> Mapping[str, Any] | None:
    for pattern in (FENCE, BARE):
        for match in pattern.finditer(text):
            found = json_repair.loads(match[match.lastindex or 0])
            if isinstance(found, dict) and found.get("action"):
                return found
    return None

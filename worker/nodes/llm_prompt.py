"""The prompt of an llm node: its templates and what they become (nodes.md section 6.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.models import ASSISTANT, COMPLETION, SYSTEM, USER, Features, Message, TextPart
from worker.engine.node import NodeContext
from worker.engine.templates import Template
from worker.engine.variables import MISSING, File, Selector, VariablePool
from worker.nodes.bounded_template import BoundedTemplate
from worker.nodes.fields import Fields
from worker.nodes.model_media import MEDIA_TYPES, media_parts

CONTEXT = "{{#context#}}"

#: Of completion prompts: a memory that workflows do not have, with and without its braces.
HISTORIES = ("{{#histories#}}", "#histories#")
QUERY = "#sys.query#"

NO_PROMPT = "No prompt found in the LLM configuration. Please ensure a prompt is properly configured before proceeding."


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What prompts are made from."""

    pool: VariablePool
    context: NodeContext
    #: In the place of ``{{#context#}}``.
    context_text: str
    jinja_values: Mapping[str, Any]
    features: Features
    #: Of pictures: ``high`` or ``low``.
    detail: str


@dataclass(frozen=True, slots=True)
class BasicText:
    """A text with placeholders. Read once: what a value brings in is no template again."""

    #: The stretches between the places of the context.
    stretches: tuple[Template, ...]

    @classmethod
    def of(cls, text: str) -> BasicText:
        return cls(tuple(Template.parse(stretch) for stretch in text.split(CONTEXT)))

    @property
    def selectors(self) -> list[Selector]:
        return [selector for stretch in self.stretches for selector in stretch.selectors]

    def render(self, around: Surroundings) -> str:
        """Raises ``NodeError`` for a variable that is not there."""
        for selector in self.selectors:
            found(selector, around.pool)
        return around.context_text.join(stretch.render(around.pool) for stretch in self.stretches)

    def files(self, pool: VariablePool) -> list[File]:
        """The files that its placeholders name, as far as models may take them."""
        values = [pool.get(selector) for selector in self.selectors]
        files = [item for value in values for item in (value if isinstance(value, list) else [value]) if isinstance(item, File)]
        return [file for file in files if file.type in MEDIA_TYPES]


@dataclass(frozen=True, slots=True)
class JinjaText:
    source: str
    #: None: it is rendered where the code of workflows runs.
    bounded: BoundedTemplate | None

    @classmethod
    def of(cls, source: str) -> JinjaText:
        return cls(source, BoundedTemplate.of(source))

    @property
    def selectors(self) -> list[Selector]:
        return []

    def render(self, around: Surroundings) -> str:
        ports = around.context.ports
        if self.bounded is not None:
            return self.bounded.render(around.jinja_values, ports.limits.template_transform_max_length)
        return ports.templates.render(self.source, around.jinja_values, around.context.cancellation)

    def files(self, pool: VariablePool) -> list[File]:
        return []


@dataclass(frozen=True, slots=True)
class PromptMessage:
    role: str
    text: BasicText | JinjaText

    def messages(self, around: Surroundings) -> list[Message]:
        """The text, then the files that it names, each if there is any."""
        text = self.text.render(around)
        parts = media_parts(self.text.files(around.pool), around.detail, around.features, around.context.ports.files)
        return [*([Message.of(self.role, text)] if text else []), *([Message(self.role, parts)] if parts else [])]


def read_prompt(fields: Fields, mode: str) -> tuple[PromptMessage, ...]:
    """``prompt_template``: a list of messages, or in completion mode one text."""
    # In either mode the form of the other one is what an editor leaves behind when the model is changed.
    template = fields.data.get("prompt_template")
    if isinstance(template, Mapping) or (mode == COMPLETION and not isinstance(template, list)):
        return (PromptMessage(USER, _text(fields.mapping("prompt_template"))),)
    return tuple(_message(item) for item in fields.items("prompt_template"))


def _message(fields: Fields) -> PromptMessage:
    return PromptMessage(fields.choice("role", (SYSTEM, USER, ASSISTANT), USER), _text(fields))


def _text(fields: Fields) -> BasicText | JinjaText:
    if fields.choice("edition_type", ("basic", "jinja2"), "basic") == "jinja2":
        return JinjaText.of(fields.text("jinja2_text"))
    return BasicText.of(fields.text("text"))


def found(selector: Selector, pool: VariablePool) -> Any:
    value = pool.get(selector)
    if value is MISSING:
        raise NodeError(f"Variable #{'.'.join(selector)}# not found", error_type="VariableNotFoundError")
    return value


def chat_prompt(prompt: Sequence[PromptMessage], query: PromptMessage | None, around: Surroundings) -> list[Message]:
    """``query``: what a memory adds; there is no history to remember in workflow apps."""
    return [message for one in (*prompt, *([query] if query else [])) for message in one.messages(around)]


def completion_prompt(prompt: PromptMessage, has_memory: bool, around: Surroundings) -> list[Message]:
    """One text, with an empty memory in the place that it has, or in front."""
    text = prompt.text.render(around)
    if has_memory:
        text = text if any(mark in text for mark in HISTORIES) else f"\n{text}"
        for mark in HISTORIES:
            text = text.replace(mark, "")
    text = text.replace(QUERY, "")
    files = media_parts(prompt.text.files(around.pool), around.detail, around.features, around.context.ports.files)
    return [Message(USER, (TextPart(text), *files))] if text or files else []


def checked(messages: Sequence[Message]) -> Sequence[Message]:
    """Raises ``NodeError`` when nothing is left to ask."""
    if not any(message.parts for message in messages):
        raise NodeError(NO_PROMPT, error_type="NoPromptFoundError")
    return messages

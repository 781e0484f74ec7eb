"""llm: asks a language model, and streams its answer (nodes.md section 6.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from worker.engine.errors import NodeError, Partial
from worker.engine.models import COMPLETION, USER, Answer, Message, ModelRef, ModelRequest, prompts_json
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import ENV, MISSING, File, VariablePool, plain, to_json
from worker.nodes.fields import Fields
from worker.nodes.input_variables import InputVariable, read_variables
from worker.nodes.llm_context import context_text, listed_text
from worker.nodes.llm_media import WithMedia
from worker.nodes.llm_prompt import (
    BasicText,
    PromptMessage,
    Surroundings,
    chat_prompt,
    checked,
    completion_prompt,
    found,
    read_prompt,
)
from worker.nodes.llm_reasoning import SEPARATED, TAGGED, shown_as
from worker.nodes.llm_schema import check_schema, instructed, read_structured
from worker.nodes.model_fields import ModelChoice, choice_of, read_model, read_vision
from worker.nodes.model_media import media_parts, with_media

#: The output that streams.
TEXT = "text"


@dataclass(slots=True)
class Asked:
    """What one execution knows so far; told when it fails, too."""

    model: ModelChoice
    inputs: dict[str, Any] = field(default_factory=dict)
    request: ModelRequest | None = None
    answer: Answer | None = None

    @property
    def process_data(self) -> dict[str, Any]:
        if self.request is None:
            return {}
        mode = self.model.ref.mode
        data: dict[str, Any] = {"model_mode": mode, "prompts": prompts_json(self.request.messages, mode)}
        if self.answer is not None:
            data |= {"usage": self.answer.usage.to_json(), "finish_reason": self.answer.finish_reason}
        return data | self.model.inputs

    @property
    def partial(self) -> Partial:
        made = Partial(self.inputs, process_data=self.process_data)
        if self.answer is not None:
            made.total_tokens, made.metadata = self.answer.usage.total_tokens, self.answer.usage.metadata()
        return made


class LLMNode:
    is_pure: ClassVar[bool] = False
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._model = read_model(fields.mapping("model"))
        self._model_selector = fields.selector("model_selector")
        self._prompt = read_prompt(fields, self._model.ref.mode)
        self._completes = self._model.ref.mode == COMPLETION and not isinstance(spec.data.get("prompt_template"), list)
        self._jinja_variables = read_variables(fields.mapping("prompt_config"), "jinja2_variables")
        self._has_memory = bool(fields.value("memory"))
        query = fields.mapping("memory").text("query_prompt_template")
        self._query = PromptMessage(USER, BasicText.of(query)) if query else None
        context = fields.mapping("context")
        self._context_selector = context.selector("variable_selector") if context.flag("enabled") else ()
        self._vision = read_vision(fields.mapping("vision"))
        self._reasoning_format = fields.choice("reasoning_format", (TAGGED, SEPARATED), TAGGED)
        self._schema = read_schema(fields)
        fields.check()

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        asked = Asked(self._chosen(pool))
        try:
            return self._ask(asked, pool, context)
        except NodeError as error:
            error.tell(asked.partial)
            raise

    def _ask(self, asked: Asked, pool: VariablePool, context: NodeContext) -> NodeResult:
        if self._schema is not None:
            check_schema(self._schema)
        messages = self._messages(asked, pool, context)
        asked.request = self._request(asked.model, messages, pool, context)
        shown = shown_as(self._reasoning_format, lambda text: context.stream(TEXT, text, False), lambda text: context.think(text, False))
        taking = WithMedia(shown, context.ports.files)
        asked.answer = context.ports.models.stream(asked.request, context.cancellation, taking.take)
        text, reasoning = taking.finish(asked.answer)
        outputs = self._outputs(asked.answer, text, reasoning, taking.files)
        if self._reasoning_format == SEPARATED:
            context.think("", True)
        context.stream(TEXT, "", True)
        told = asked.partial
        return NodeResult(outputs, told.inputs, told.process_data, total_tokens=told.total_tokens, metadata=told.metadata)

    def _outputs(self, answer: Answer, text: str, reasoning: str, files: Sequence[File]) -> dict[str, Any]:
        outputs: dict[str, Any] = {
            TEXT: text,
            "reasoning_content": reasoning,
            "usage": answer.usage.to_json(),
            "finish_reason": answer.finish_reason,
            **({"files": list(files)} if files else {}),
        }
        return outputs if self._schema is None else {**outputs, "structured_output": read_structured(text, self._schema)}

    def _chosen(self, pool: VariablePool) -> ModelChoice:
        """The model of the document, or the one that an environment variable puts in its place (dsl.md section 10)."""
        value = pool.get(self._model_selector) if self._model_selector[:1] == (ENV,) else MISSING
        if not isinstance(value, Mapping):
            return self._model
        mode = value.get("mode", self._model.ref.mode)
        if mode != self._model.ref.mode:
            raise NodeError(f"The model of {'.'.join(self._model_selector)} is of mode {mode}, the node of {self._model.ref.mode}.")
        ref = ModelRef(str(value.get("provider", "")), str(value.get("name", "")), str(mode))
        given = value.get("completion_params")
        return choice_of(ref, given) if isinstance(given, Mapping) else replace(self._model, ref=ref)

    def _messages(self, asked: Asked, pool: VariablePool, context: NodeContext) -> Sequence[Message]:
        """The whole prompt; fills the node's inputs on the way."""
        around = self._surroundings(asked, pool, context)
        if self._completes:
            messages = completion_prompt(self._prompt[0], self._has_memory, around)
        else:
            messages = chat_prompt(self._prompt, self._query, around)
        files = self._vision.files(pool)
        if files:
            asked.inputs["#files#"] = files
        asked.inputs |= asked.model.inputs
        parts = media_parts(files, self._vision.detail, around.features, context.ports.files)
        return checked(with_media(messages, parts) if messages else [Message(USER, parts)])

    def _surroundings(self, asked: Asked, pool: VariablePool, context: NodeContext) -> Surroundings:
        selectors = [selector for one in (*self._prompt, *([self._query] if self._query else [])) for selector in one.text.selectors]
        asked.inputs |= {f"#{'.'.join(selector)}#": found(selector, pool) for selector in selectors}
        values = {variable.name: jinja_value(variable, pool) for variable in self._jinja_variables}
        asked.inputs |= {name: listed_text(value, pool.file_url) for name, value in values.items()}
        told = context_text(pool.get(self._context_selector), pool.file_url)
        if told:
            asked.inputs["#context#"] = told
        plainly = {name: to_json(plain(value), context.ports.files.url) for name, value in values.items()}
        features = context.ports.models.features(asked.model.ref)
        return Surroundings(pool, context, told, plainly, features, self._vision.detail)

    def _request(self, model: ModelChoice, messages: Sequence[Message], pool: VariablePool, context: NodeContext) -> ModelRequest:
        if self._schema is None:
            return model.request(messages, pool)
        if context.ports.models.features(model.ref).json_schema:
            return replace(model.request(messages, pool), json_schema=self._schema)
        return model.request(instructed(messages, self._schema), pool)


NODE = LLMNode


def read_schema(fields: Fields) -> Mapping[str, Any] | None:
    """The schema that answers must have; None where any text will do."""
    output = fields.mapping("structured_output").data
    if not output or not fields.flag("structured_output_switch_on", fields.flag("structured_output_enabled")):
        return None
    schema = output.get("schema")
    # What is no schema fails the node, with the words for it.
    return schema if isinstance(schema, Mapping) else {}


def jinja_value(variable: InputVariable, pool: VariablePool) -> Any:
    """Raises ``NodeError`` for a variable that is not there."""
    value = pool.get(variable.selector)
    if value is MISSING:
        raise NodeError(f"Variable {variable.name} not found", error_type="VariableNotFoundError")
    return value

"""parameter-extractor: a model reads declared parameters out of a text (nodes.md section 6.10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar

from worker.engine.errors import NodeError, Partial
from worker.engine.models import COMPLETION, Answer, Message, ModelRequest, ToolSpec, Usage, prompts_json, tool_call_json
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import MISSING, File, VariablePool, text_of
from worker.nodes.extractor_answer import find_object
from worker.nodes.extractor_parameters import Parameter, read_parameters, schema_of
from worker.nodes.extractor_prompt import call_messages, chat_messages, completion_messages, question, tool_of
from worker.nodes.extractor_values import first_fault, in_declared_types
from worker.nodes.fields import Fields
from worker.nodes.model_fields import read_model, read_vision
from worker.nodes.model_media import media_parts, with_media
from worker.nodes.thinking import without_thinking

FUNCTION_CALL = "function_call"
PROMPT = "prompt"

NOTHING_FOUND = "Failed to extract result from function call or text response, using empty result."
NO_ANSWER = "Failed to invoke model"


class ParameterExtractorNode:
    """Only a model call that fails fails the node: an answer that does not fit is told in ``__is_success`` and ``__reason``."""

    is_pure: ClassVar[bool] = False
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._query = fields.selector("query")
        self._model = read_model(fields.mapping("model"))
        self._parameters = read_parameters(fields)
        self._instruction = fields.template("instruction")
        #: As written, for the node inputs; null when there is none.
        self._written_instruction = fields.value("instruction")
        self._prefers_call = fields.choice("reasoning_mode", (FUNCTION_CALL, PROMPT), FUNCTION_CALL) == FUNCTION_CALL
        self._vision = read_vision(fields.mapping("vision"))
        fields.check()
        self._schema = schema_of(self._parameters)

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        found = pool.get(self._query)
        query = "" if found is MISSING else text_of(found, pool.file_url)
        files = self._vision.files(pool)
        inputs, request = self._inputs(query, files), self._request(query, files, pool, context)
        try:
            answer = context.ports.models.stream(request, context.cancellation, lambda delta: None)
        except NodeError as error:
            outputs = {"__is_success": 0, "__reason": NO_ANSWER, "__error": pool.masker.text(error.message)}
            error.tell(Partial(inputs, outputs, self._process_data(request, None)))
            raise
        usage = _unstreamed(answer.usage)
        reason, values = read_values(self._parameters, answer)
        return NodeResult(
            {**values, "__is_success": int(reason is None), "__reason": reason, "__usage": usage.to_json()},
            inputs,
            self._process_data(request, answer),
            total_tokens=usage.total_tokens,
            metadata=usage.metadata(),
        )

    def _inputs(self, query: str, files: list[File]) -> dict[str, Any]:
        return {
            "query": query,
            "files": files,
            "parameters": [parameter.document for parameter in self._parameters],
            "instruction": self._written_instruction,
            **self._model.inputs,
        }

    def _request(self, query: str, files: list[File], pool: VariablePool, context: NodeContext) -> ModelRequest:
        features = context.ports.models.features(self._model.ref)
        tools = [tool_of(self._schema)] if self._prefers_call and features.tool_call else []
        # The text comes from outside: unlike the instruction, which the author wrote, it is no template.
        messages = self._messages(self._instruction.render(pool), question(query, self._schema), tools)
        parts = media_parts(files, self._vision.detail, features, context.ports.files)
        return self._model.request(with_media(messages, parts), pool, tools)

    def _messages(self, instruction: str, asked: str, tools: Sequence[ToolSpec]) -> list[Message]:
        if tools:
            return call_messages(instruction, asked)
        return completion_messages(instruction, asked) if self._model.ref.mode == COMPLETION else chat_messages(instruction, asked)

    def _process_data(self, request: ModelRequest, answer: Answer | None) -> dict[str, Any]:
        calls = answer.tool_calls if answer else ()
        return {
            "model_mode": self._model.ref.mode,
            "prompts": prompts_json(request.messages, self._model.ref.mode),
            "usage": _unstreamed(answer.usage).to_json() if answer else None,
            "function": asdict(request.tools[0]) if request.tools else {},
            "tool_call": tool_call_json(calls[0]) if calls else None,
            **({"llm_text": answer.text} if answer else {}),
            **self._model.inputs,
        }


def read_values(parameters: Sequence[Parameter], answer: Answer) -> tuple[str | None, dict[str, Any]]:
    """What is wrong with the answer (None: nothing), and a value for every parameter all the same."""
    text = answer.tool_calls[0].arguments if answer.tool_calls else without_thinking(answer.text)
    found = find_object(text)
    if found is None:
        return NOTHING_FOUND, in_declared_types(parameters, {})
    return first_fault(parameters, found), in_declared_types(parameters, found)


def _unstreamed(usage: Usage) -> Usage:
    """Nobody sees pieces of this answer: it has no times of pieces (nodes.md section 5.1)."""
    return replace(usage, time_to_first_token=None, time_to_generate=None)


NODE = ParameterExtractorNode

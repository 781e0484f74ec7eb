"""question-classifier: a model sorts a text into one of several categories; each is an exit (nodes.md section 6.9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from worker.engine.errors import NodeError, Partial
from worker.engine.models import COMPLETION, Answer, Message, ModelRequest, prompts_json
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.templates import Template
from worker.engine.variables import MISSING, VariablePool, text_of
from worker.nodes.classifier_answer import read_answer
from worker.nodes.classifier_prompt import Category, chat_messages, completion_messages, question
from worker.nodes.fields import Fields
from worker.nodes.model_fields import read_model, read_vision
from worker.nodes.model_media import media_parts, with_media


@dataclass(frozen=True, slots=True)
class Class:
    id: str
    name: Template
    label: str


class QuestionClassifierNode:
    is_pure: ClassVar[bool] = False
    is_branch: ClassVar[bool] = True

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._query = fields.selector("query_variable_selector")
        self._model = read_model(fields.mapping("model"))
        self._classes = [_read_class(item, number) for number, item in enumerate(fields.items("classes"), 1)]
        if not self._classes:
            fields.report("classes", "'classes' needs one class at least")
        self._instruction = fields.template("instruction")
        self._vision = read_vision(fields.mapping("vision"))
        fields.check()

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        found = pool.get(self._query)
        query = None if found is MISSING else found
        shown = Partial({"query": query, **self._model.inputs})
        try:
            return self._classify(query, pool, context, shown)
        except NodeError as error:
            error.tell(shown)
            raise

    def _classify(self, query: Any, pool: VariablePool, context: NodeContext, shown: Partial) -> NodeResult:
        """What is known on the way is told in ``shown``."""
        categories = [Category(item.id, item.name.render(pool)) for item in self._classes]
        request = self._model.request(self._messages(text_of(query, pool.file_url), categories, pool, context), pool)
        answer = context.ports.models.stream(request, context.cancellation, lambda delta: None)
        shown.process_data = self._process_data(request, answer)
        shown.total_tokens, shown.metadata = answer.usage.total_tokens, answer.usage.metadata()
        index = chosen_index(answer.text, categories)
        outputs = {
            "class_name": categories[index].name,
            "class_id": categories[index].id,
            "class_label": self._classes[index].label,
            "usage": answer.usage.to_json(),
        }
        return NodeResult(
            outputs, shown.inputs, shown.process_data, categories[index].id, total_tokens=shown.total_tokens, metadata=shown.metadata
        )

    def _messages(self, text: str, categories: list[Category], pool: VariablePool, context: NodeContext) -> list[Message]:
        # The text comes from outside: unlike names and instruction, which the author wrote, it is no template.
        instruction = self._instruction.render(pool)
        asked = question(text, categories, [instruction] if instruction else [])
        messages = completion_messages(asked) if self._model.ref.mode == COMPLETION else chat_messages(asked)
        files, features = self._vision.files(pool), context.ports.models.features(self._model.ref)
        return with_media(messages, media_parts(files, self._vision.detail, features, context.ports.files))

    def _process_data(self, request: ModelRequest, answer: Answer) -> dict[str, Any]:
        return {
            "model_mode": self._model.ref.mode,
            "prompts": prompts_json(request.messages, self._model.ref.mode),
            "usage": answer.usage.to_json(),
            "finish_reason": answer.finish_reason,
            **self._model.inputs,
        }


def chosen_index(text: str, categories: list[Category]) -> int:
    """Place of the category that the answer names; 0 when it names none that exists.

    Raises ``NodeError`` for an answer that cannot be read.
    """
    chosen = read_answer(text)
    ids = [category.id for category in categories]
    chosen_id = str(chosen.get("category_id"))
    return ids.index(chosen_id) if "category_name" in chosen and chosen_id in ids else 0


def _read_class(fields: Fields, number: int) -> Class:
    return Class(fields.required_text("id"), fields.template("name"), fields.text("label") or f"CLASS {number}")


NODE = QuestionClassifierNode

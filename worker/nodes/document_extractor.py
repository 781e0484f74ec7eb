"""document-extractor: the text of a file, or of each file of a list (nodes.md section 6.17)."""

from __future__ import annotations

from typing import Any, ClassVar

from worker.engine.errors import NodeError, Partial
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import MISSING, File, VariablePool, type_of
from worker.nodes.fields import Fields


class DocumentExtractorNode:
    is_pure: ClassVar[bool] = False
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._selector = fields.selector("variable_selector")
        fields.check()

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        value = self._value(pool)
        shown = {"variable_selector": list(self._selector)}
        process_data = {"documents": value if isinstance(value, list) else [value]}
        try:
            return NodeResult({"text": _texts(value, context)}, shown, process_data)
        except NodeError as error:
            error.partial = Partial(shown, process_data=process_data)
            raise

    def _value(self, pool: VariablePool) -> Any:
        """A file, files, or something empty of any type."""
        value = pool.get(self._selector)
        if value is MISSING:
            raise NodeError(f"File variable not found for selector: {list(self._selector)}", error_type="")
        if value and type_of(value) not in ("file", "array[file]"):
            raise NodeError(f"Variable {list(self._selector)} is not an ArrayFileSegment", error_type="")
        return value


def _texts(value: Any, context: NodeContext) -> str | list[str]:
    if isinstance(value, list):
        return [_text(file, context) for file in value]
    if isinstance(value, File):
        return _text(value, context)
    raise NodeError(f"Unsupported variable type: {type(value)}", error_type="DocumentExtractorError")


def _text(file: File, context: NodeContext) -> str:
    try:
        content = context.ports.files.read(file)
    except NodeError as error:
        raise NodeError(f"Error downloading file: {error.message}", error_type="FileDownloadError") from error
    return context.ports.documents.extract_text(content, file.extension, file.mime_type, context.cancellation)


NODE = DocumentExtractorNode

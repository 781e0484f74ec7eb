"""nodes.md section 6.17."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.unit.documents.making import docx_file, xlsx_file
from worker.engine.errors import GraphError, NodeError
from worker.engine.events import ROOT
from worker.engine.inbox import Inbox
from worker.engine.memory import SystemClock
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.ports import Ports
from worker.engine.variables import File, VariablePool, remote_address
from worker.nodes.document_extractor import DocumentExtractorNode
from worker.nodes.registry import Registry
from worker.sandbox.documents import DocumentSandbox

SELECTOR = ["start", "docs"]


class StoredFiles:
    """The files of a test, by their names."""

    url = staticmethod(remote_address)

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = contents

    def read(self, file: File) -> bytes:
        if file.filename not in self._contents:
            raise NodeError(f"{file.filename} answered with status 404.", error_type="FileFetchError")
        return self._contents[file.filename]


CONTENTS = {
    "note.txt": b"First line\nSecond\n",
    "doc.docx": docx_file("A", "B"),
    "book.xlsx": xlsx_file('<row r="1"><c r="A1"><v>5</v></c></row>'),
    "bad.pdf": b"no pdf",
    "thing.abc": b"x",
    "table": b"a,b\n1,2\n",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[DocumentSandbox]:
    sandbox = DocumentSandbox()
    yield sandbox
    sandbox.close()


def spec(**data: Any) -> NodeSpec:
    return NodeSpec(
        "extract", "document-extractor", "Extract", "1", {"variable_selector": SELECTOR, **data}, path="workflow.graph.nodes[1]"
    )


def file(name: str, mime_type: str = "") -> File:
    stem, dot, extension = name.partition(".")
    return File("document", "local_file", name, dot + extension, mime_type, 1, related_id=stem)


def run(sandbox: DocumentSandbox, *value: Any) -> NodeResult:
    """With the value as the variable, or without a variable."""
    pool = VariablePool()
    for item in value:
        pool.set("start", "docs", item)
    ports = Ports(http=None, code=None, templates=None, documents=sandbox, files=StoredFiles(CONTENTS), clock=SystemClock())
    return DocumentExtractorNode(spec()).run(pool, NodeContext("run", "app", "execution", ROOT, ports, Inbox(), lambda *_: None))


def failure(sandbox: DocumentSandbox, *value: Any) -> NodeError:
    with pytest.raises(NodeError) as caught:
        run(sandbox, *value)
    return caught.value


def test_node_type_is_found_and_takes_what_the_editor_writes():
    assert isinstance(Registry().create(spec(is_array_file=True)), DocumentExtractorNode)
    with pytest.raises(GraphError, match="variable_selector"):
        DocumentExtractorNode(spec(variable_selector="start.docs"))


def test_a_file_gives_a_text(sandbox):
    result = run(sandbox, file("note.txt"))

    assert result.outputs == {"text": "First line\nSecond\n"}
    assert result.inputs == {"variable_selector": SELECTOR}
    assert result.process_data == {"documents": [file("note.txt")]}


def test_files_give_texts_in_their_order(sandbox):
    documents = [file("book.xlsx"), file("doc.docx")]

    result = run(sandbox, documents)

    assert result.outputs == {"text": ["| 5 |\n| - |\n\n", "A\nB"]}
    assert result.process_data == {"documents": documents}


def test_the_media_type_counts_without_an_extension(sandbox):
    assert run(sandbox, file("table", "text/csv")).outputs == {"text": "| a | b |\n| - | - |\n| 1 | 2 |\n"}


def test_no_files_give_no_texts(sandbox):
    result = run(sandbox, [])

    assert (result.outputs, result.process_data) == ({"text": []}, {"documents": []})


def test_a_variable_that_is_missing_or_of_another_type_is_an_error_without_a_class(sandbox):
    for error, message in [
        (failure(sandbox), "File variable not found for selector: ['start', 'docs']"),
        (failure(sandbox, "text"), "Variable ['start', 'docs'] is not an ArrayFileSegment"),
        (failure(sandbox, [file("note.txt"), 1]), "Variable ['start', 'docs'] is not an ArrayFileSegment"),
    ]:
        assert (error.message, error.error_type, error.partial.inputs) == (message, "", {})


@pytest.mark.parametrize(("value", "name"), [(None, "NoneType"), ("", "str")])
def test_an_empty_variable_is_an_error_that_shows_its_type(sandbox, value, name):
    error = failure(sandbox, value)

    assert error.message == f"Unsupported variable type: <class '{name}'>"
    assert error.partial.inputs == {"variable_selector": SELECTOR}
    assert error.partial.process_data == {"documents": [value]}


def test_one_file_that_cannot_be_read_fails_the_node(sandbox):
    documents = [file("note.txt"), file("bad.pdf")]

    error = failure(sandbox, documents)

    assert error.message == "Failed to extract text from PDF: Failed to load document (PDFium: Data format error)."
    assert error.error_type == "TextExtractionError"
    assert error.partial.process_data == {"documents": documents}


def test_unknown_kinds_and_files_that_are_gone_are_errors(sandbox):
    unknown, gone = failure(sandbox, file("thing.abc")), failure(sandbox, file("gone.txt"))

    assert (unknown.message, unknown.error_type) == ("Unsupported Extension Type: .abc", "UnsupportedFileTypeError")
    assert (gone.message, gone.error_type) == ("Error downloading file: gone.txt answered with status 404.", "FileDownloadError")

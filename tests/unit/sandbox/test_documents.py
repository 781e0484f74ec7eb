"""What the sandbox adds to the readers of documents; the hostile ones are in tests/unit/documents/test_hostile.py."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.unit.sandbox.observing import error_of
from worker.engine.errors import NodeError, RunStopped
from worker.engine.inbox import Inbox
from worker.sandbox.bounds import DOCUMENT_BOUNDS
from worker.sandbox.documents import DocumentSandbox
from worker.sandbox.policy import Policy

#: Takes PyYAML minutes.
ENDLESS = b"a: {b: [c, d]}\n---\n" * 500_000


@pytest.fixture(scope="module")
def sandbox() -> Iterator[DocumentSandbox]:
    sandbox = DocumentSandbox()
    yield sandbox
    sandbox.close()


def failure(sandbox: DocumentSandbox, content: bytes, extension: str) -> str:
    with pytest.raises(NodeError) as caught:
        sandbox.extract_text(content, extension, "", Inbox())
    assert caught.value.error_type == "TextExtractionError"
    return caught.value.message


def test_any_text_comes_back_as_it_is(sandbox):
    text = "first\nsecond \x00 世界 🌏\n"

    assert sandbox.extract_text(text.encode(), ".txt", "", Inbox()) == text
    assert sandbox.extract_text(b'"\\ud800"', ".json", "", Inbox()) == '"?"'


def test_large_texts_come_back(sandbox):
    assert len(sandbox.extract_text(b"0123456789\n" * 1_500_000, ".txt", "", Inbox())) == 16_500_000


def test_unknown_kinds_need_no_process():
    with pytest.raises(NodeError, match=r"Unsupported Extension Type: \.abc"):
        DocumentSandbox().extract_text(b"", ".abc", "", Inbox())


def test_what_the_library_says_is_told_with_the_kind(sandbox):
    assert failure(sandbox, b"no pdf", ".pdf") == "Failed to extract text from PDF: Failed to load document (PDFium: Data format error)."
    assert failure(sandbox, b"{", ".json").startswith(
        "Failed to decode or parse JSON file: Expecting property name enclosed in double quotes"
    )


def test_an_extraction_that_takes_too_long_is_ended(sandbox, monkeypatch):
    monkeypatch.setattr("worker.sandbox.documents.DOCUMENT_BOUNDS", replace(DOCUMENT_BOUNDS, wall_s=0.3))

    assert failure(sandbox, ENDLESS, ".yaml") == (
        "Failed to decode or parse YAML file: The extraction ran longer than the limit of 0.3 seconds and was ended."
    )


def test_text_is_limited(sandbox, monkeypatch):
    monkeypatch.setattr("worker.sandbox.documents.DOCUMENT_BOUNDS", replace(DOCUMENT_BOUNDS, answer_bytes=100))

    assert sandbox.extract_text(b"x" * 100, ".txt", "", Inbox()) == "x" * 100
    assert failure(sandbox, b"x" * 101, ".txt") == "Failed to decode plain text file: its text has more than 100 bytes"


def test_memory_is_limited(sandbox, monkeypatch):
    monkeypatch.setattr("worker.sandbox.documents.DOCUMENT_BOUNDS", replace(DOCUMENT_BOUNDS, memory_bytes=200 * 1024 * 1024))

    assert failure(sandbox, b"[" + b"{}," * 5_000_000 + b"0]", ".json") == (
        "Failed to decode or parse JSON file: the document needs more memory than is allowed"
    )


def test_a_run_that_is_stopped_ends_its_extraction(sandbox):
    inbox = Inbox()
    threading.Timer(0.2, inbox.stop).start()

    with pytest.raises(RunStopped):
        sandbox.extract_text(ENDLESS, ".yaml", "", inbox)


def test_where_the_sandbox_is_weaker_than_required_nothing_is_read(monkeypatch):
    monkeypatch.setattr("worker.sandbox.policy.REQUIRED", ((frozenset({"moon"}), "moon"),))
    sandbox = DocumentSandbox(Policy(is_required=True))
    try:
        assert "PENSTOCK_SANDBOX is `required`, but on this machine the sandbox has no moon" in failure(sandbox, b"", ".txt")
    finally:
        sandbox.close()


def test_code_of_workflows_does_not_find_the_libraries(runner, sandbox):
    for name in ("lxml", "docx", "chardet", "pypdfium2"):
        assert f"No module named '{name}'" in error_of(runner, f"import {name}")


def test_a_closed_sandbox_reads_nothing():
    sandbox = DocumentSandbox()
    sandbox.close()

    assert failure(sandbox, b"", ".txt") == "Failed to decode plain text file: The sandbox is shut down."

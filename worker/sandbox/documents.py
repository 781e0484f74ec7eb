"""Extracts the text of documents in limited processes: the ``DocumentReader`` of ports.py.

They have a zygote of their own, which holds the libraries for documents; the code of workflows does not find them.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from worker.documents.kinds import EXTRACTION_FAILED, KINDS, kind_of
from worker.engine.errors import NodeError
from worker.engine.ports import Cancellation
from worker.sandbox.bounds import DOCUMENT_BOUNDS
from worker.sandbox.keeper import ZygoteKeeper
from worker.sandbox.outcome import outcome
from worker.sandbox.packages import find_packages
from worker.sandbox.policy import Policy
from worker.sandbox.zygote import Options

#: Distributions that the readers import.
LIBRARIES = ("chardet", "lxml", "olefile", "pypdf", "pypdfium2", "python-calamine", "python-docx", "pyyaml")


class DocumentSandbox:
    """Close it when the worker ends; until the first document it has no process."""

    def __init__(self, policy: Policy | None = None) -> None:
        self._policy = policy or Policy()
        self._keeper = ZygoteKeeper(_options)

    def extract_text(self, content: bytes, extension: str, mime_type: str, cancellation: Cancellation) -> str:
        kind = kind_of(extension, mime_type)
        try:
            return self._perform(kind.reader, content, cancellation).decode()
        except NodeError as error:
            raise NodeError(f"{kind.failure}: {error.message.strip()}", error_type=EXTRACTION_FAILED) from error

    def _perform(self, reader: str, content: bytes, cancellation: Cancellation) -> bytes:
        cancellation.check()
        if refusal := self._policy.refusal(self._keeper.ready().tier):
            raise NodeError(refusal)
        request = {"kind": "document", "reader": reader, "bounds": asdict(DOCUMENT_BOUNDS)}
        answer = self._keeper.converse(json.dumps(request).encode() + b"\n" + content, DOCUMENT_BOUNDS, cancellation)
        cancellation.check()
        return outcome(answer, "extraction", DOCUMENT_BOUNDS)

    def close(self) -> None:
        """End the zygote and all extractions."""
        self._keeper.close()


def _options() -> Options:
    modules = dict.fromkeys(f"worker.documents.{kind.reader.partition('.')[0]}" for kind in KINDS if kind.reader)
    return Options(find_packages(LIBRARIES), modules=tuple(modules))

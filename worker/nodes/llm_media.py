"""Pictures and sounds that a model answers with: stored as files, and named in the text where they came (nodes.md section 6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worker.engine.file_types import detect_type
from worker.engine.media_types import extension_of_mime, name_in_url
from worker.engine.models import Answer, Delta, Media
from worker.engine.ports import Files
from worker.engine.rendering import file_link
from worker.engine.variables import File
from worker.nodes.llm_reasoning import Shown

#: Where a media type says nothing.
UNKNOWN = ".bin"


class WithMedia:
    """Stands before ``shown``, which sees texts alone."""

    def __init__(self, shown: Shown, store: Files) -> None:
        self._shown = shown
        self._store = store
        #: What ``shown`` was told of the text.
        self._texts: list[str] = []
        self._files: list[File] = []

    @property
    def files(self) -> Sequence[File]:
        return self._files

    def take(self, delta: Delta) -> None:
        """Raises ``NodeError`` if a file cannot be stored."""
        if delta.media is not None:
            file = kept(delta.media, self._store)
            self._files.append(file)
            delta = Delta(file_link(file, self._store.url))
        self._texts.append(delta.text)
        self._shown.take(delta)

    def finish(self, answer: Answer) -> tuple[str, str]:
        """Text and reasoning as they are put out."""
        return self._shown.finish(replace(answer, text="".join(self._texts)))


def kept(media: Media, store: Files) -> File:
    """What the provider keeps stays there."""
    extension = extension_of_mime(media.mime_type) or UNKNOWN
    if not media.url:
        return store.save(media.content, extension=extension, mime_type=media.mime_type)
    name, kind = name_in_url(media.url), detect_type(extension, media.mime_type)
    return File(kind, "remote_url", name, extension, media.mime_type, -1, remote_url=media.url)

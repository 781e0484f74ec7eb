"""WebVTT: what each speaker says, a line of ``Speaker "text"`` for consecutive captions of one (nodes.md section 6.17)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from worker.documents.encoding import decoded
from worker.documents.reading import DocumentRefused

HEADER = re.compile(r"WEBVTT(?![^\s])")
TIMES = "-->"
VOICE = re.compile(r"<v(?:\.[^\s>]*)*[ \t]+([^>]+)>")
TAG = re.compile(r"<[^>]*>")


@dataclass(slots=True)
class Utterance:
    speaker: str | None
    text: str


def text(content: bytes) -> str:
    source = decoded(content)
    if not HEADER.match(source):
        raise DocumentRefused("it does not begin with WEBVTT")
    return "\n".join(f'{said.speaker or ""} "{said.text}"' for said in _merged(_captions(source)))


def _captions(source: str) -> Iterator[Utterance]:
    """Blocks without a line of times are notes and styles."""
    for block in re.split(r"\n{2,}", "\n".join(line.strip() for line in source.splitlines())):
        lines = block.strip("\n").split("\n")
        times = next((number for number, line in enumerate(lines) if TIMES in line), None)
        if times is not None and lines[times + 1 :]:
            spoken = "\n".join(lines[times + 1 :])
            voice = VOICE.match(spoken)
            yield Utterance(voice[1].strip() if voice else None, TAG.sub("", spoken))


def _merged(captions: Iterator[Utterance]) -> list[Utterance]:
    """Only who has a name can go on."""
    merged: list[Utterance] = []
    for caption in captions:
        if merged and caption.speaker is not None and caption.speaker == merged[-1].speaker:
            merged[-1].text += f" {caption.text}"
        else:
            merged.append(caption)
    return merged

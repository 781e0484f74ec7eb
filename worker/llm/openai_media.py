"""Pictures and sounds in answers of the OpenAI wire format.

Pictures are in ``images`` of a message or delta, or among the parts of its content, as data URLs mostly (OpenRouter and others; no
standard says so). A sound is in ``audio``: the words as text, the sound in pieces of base64, which OpenAI streams as bare samples only.
"""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Mapping
from typing import Any

from worker.engine.media_types import mime_of_name, name_in_url
from worker.engine.models import Media
from worker.llm.drafts import Draft

DEFAULT_PICTURE = "image/png"

#: Main types that an answer may have. What calls itself anything else is kept as bytes that no browser shows.
MAIN_TYPES = ("image/", "audio/", "video/")
UNKNOWN = "application/octet-stream"

#: Value of ``audio.format`` -> media type.
SOUND_TYPES: Mapping[str, str] = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "opus": "audio/ogg",
}

#: Bare samples: one channel, 16 bits, so many a second.
SAMPLES, SAMPLE_RATE = "pcm16", 24_000


def picture_of(image: Mapping[str, Any]) -> Media:
    """Raises ``ValueError`` for what is no picture."""
    if isinstance(data := image.get("b64_json"), str):
        return Media(DEFAULT_PICTURE, decoded(data))
    found = image.get("image_url")
    url = found.get("url") if isinstance(found, Mapping) else found
    if not isinstance(url, str):
        raise ValueError(f"no picture: {image!r:.200}")
    if url.startswith(("http://", "https://")):
        return Media(shown_type(mime_of_name(name_in_url(url)) or DEFAULT_PICTURE), url=url)
    scheme, _, data = url.partition(";base64,")
    if not scheme.startswith("data:"):
        raise ValueError(f"no picture: {url[:100]}")
    return Media(shown_type(scheme.removeprefix("data:").partition(";")[0].lower() or DEFAULT_PICTURE), decoded(data))


def shown_type(mime_type: str) -> str:
    return mime_type if mime_type.startswith(MAIN_TYPES) else UNKNOWN


def decoded(data: str) -> bytes:
    """Raises ``ValueError`` for what is no base64."""
    return base64.b64decode(data, validate=True)


def take_sound(draft: Draft, audio: Mapping[str, Any]) -> None:
    """Raises ``ValueError`` for a piece that is no base64."""
    draft.say(str(audio.get("transcript") or ""))
    if data := audio.get("data"):
        draft.sing(decoded(str(data)))


def end_sound(draft: Draft, parameters: Mapping[str, Any]) -> None:
    """The answer is complete: so is its sound, if it has one. ``parameters`` are those of the request."""
    if not draft.sound:
        return
    sound = b"".join(draft.sound)
    draft.sound.clear()
    wanted = parameters.get("audio")
    name = wanted.get("format") if isinstance(wanted, Mapping) else None
    usual = "wav" if sound.startswith(b"RIFF") else SAMPLES
    mime_type = SOUND_TYPES.get(str(name or usual))
    draft.show(Media(mime_type, sound) if mime_type else Media("audio/wav", playable(sound)))


def playable(samples: bytes) -> bytes:
    """Samples with the header that tells what they are."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(samples)
    return file.getvalue()

"""Pictures and sounds in the answers of models, in the forms that servers give them."""

import base64
import io
import wave

import pytest

from worker.engine.inbox import Inbox
from worker.engine.models import Delta, Media, ModelError, Usage
from worker.llm import drafts
from worker.llm.calls import Call, Timeouts
from worker.llm.drafts import Draft
from worker.llm.openai_answers import events_of, take_chunk
from worker.llm.openai_media import end_sound

PNG = b"\x89PNG picture"
DATA_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
PICTURE = Media("image/png", PNG)


class Heard(Draft):
    def __init__(self):
        self.deltas = []
        super().__init__(Call(Inbox(), Timeouts()), self.deltas.append)


def taken(*deltas):
    draft = Heard()
    for delta in deltas:
        take_chunk(draft, {"choices": [{"delta": delta}]})
    return draft


@pytest.mark.parametrize(
    ("image", "media"),
    [
        ({"type": "image_url", "image_url": {"url": DATA_URL}}, PICTURE),
        ({"type": "image_url", "image_url": DATA_URL}, PICTURE),
        ({"image_url": {"url": DATA_URL.replace("image/png;", "IMAGE/JPEG;name=a.jpg;")}}, Media("image/jpeg", PNG)),
        ({"b64_json": base64.b64encode(PNG).decode()}, PICTURE),
        ({"image_url": {"url": "https://vendor.example/a.webp?x=1"}}, Media("image/webp", url="https://vendor.example/a.webp?x=1")),
        ({"image_url": {"url": "https://vendor.example/a"}}, Media("image/png", url="https://vendor.example/a")),
        ({"image_url": {"url": DATA_URL.replace("image/png", "text/html")}}, Media("application/octet-stream", PNG)),
    ],
)
def test_pictures_come_as_data_or_by_address(image, media):
    draft = taken({"content": "Look: "}, {"images": [image]})
    assert draft.deltas == [Delta("Look: "), Delta(media=media)]
    assert draft.answer(Usage()).media == (media,)


def test_pictures_may_be_parts_of_the_content():
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": DATA_URL}}, {"type": "text", "text": "b"}]
    assert taken({"content": parts}).deltas == [Delta("a"), Delta(media=PICTURE), Delta("b")]


@pytest.mark.parametrize(
    "image",
    [{}, {"image_url": {}}, {"image_url": {"url": "ftp://a/b"}}, {"image_url": {"url": "data:image/png;base64,###"}}, {"image_url": 5}],
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(ValueError, match=r"no picture|base64|Only"):
        taken({"images": [image]})


def test_an_answer_has_a_bound(monkeypatch):
    monkeypatch.setattr(drafts, "MAX_MEDIA_BYTES", 20)
    with pytest.raises(ModelError, match="more than"):
        taken({"images": [{"image_url": {"url": DATA_URL}}] * 2})


def test_a_sound_comes_in_pieces_with_its_words():
    samples = bytes(range(100))
    pieces = [base64.b64encode(samples[:50]).decode(), base64.b64encode(samples[50:]).decode()]
    draft = taken(
        {"audio": {"id": "a", "transcript": "Good "}}, *({"audio": {"data": piece}} for piece in pieces), {"audio": {"expires_at": 5}}
    )
    end_sound(draft, {"audio": {"format": "pcm16"}})

    assert draft.text == "Good "
    [sound] = draft.answer(Usage()).media
    assert sound.mime_type == "audio/wav"
    with wave.open(io.BytesIO(sound.content)) as reader:
        assert (reader.getframerate(), reader.readframes(1000)) == (24_000, samples)


@pytest.mark.parametrize(
    ("parameters", "sound", "mime_type"),
    [
        ({"audio": {"format": "mp3"}}, b"sound", "audio/mpeg"),
        ({"audio": {"format": "flac"}}, b"sound", "audio/flac"),
        ({"audio": "broken"}, b"RIFFsound", "audio/wav"),
        ({}, b"RIFFsound", "audio/wav"),
    ],
)
def test_a_sound_is_of_the_format_that_was_asked_for(parameters, sound, mime_type):
    draft = taken({"audio": {"data": base64.b64encode(sound).decode()}})
    end_sound(draft, parameters)
    assert draft.answer(Usage()).media == (Media(mime_type, sound),)


def test_no_sound_is_no_medium():
    draft = taken({"content": "a"})
    end_sound(draft, {})
    assert draft.answer(Usage()).media == ()


def test_an_event_of_many_pieces_is_joined_once():
    line = b"data: " + b"x" * 5_000_000 + b"\n"
    pieces = [line[place : place + 1000] for place in range(0, len(line), 1000)]
    assert [len(data) for data in events_of(pieces)] == [5_000_000]


def test_an_event_has_a_bound(monkeypatch):
    monkeypatch.setattr("worker.llm.openai_answers.MAX_EVENT_BYTES", 5000)
    with pytest.raises(ValueError, match="longer"):
        list(events_of([b"data: ", *[b"x" * 1000] * 6]))

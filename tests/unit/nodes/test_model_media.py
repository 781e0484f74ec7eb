"""nodes.md section 6.4: files in prompts."""

from dataclasses import replace

import pytest

from tests.unit.nodes.model_world import StoredFiles, picture
from worker.engine.errors import NodeError
from worker.engine.models import Features, MediaPart, Message, TextPart
from worker.engine.variables import File
from worker.nodes.model_media import media_parts, with_media

STORE = StoredFiles({"a.png": b"png", "a.mp3": b"mp3"})
SOUND = File("audio", "local_file", "a.mp3", ".mp3", "audio/mpeg", 3)
OTHER = File("custom", "local_file", "a.bin", ".bin", "application/octet-stream", 3)


def test_only_what_the_model_takes_becomes_a_part():
    assert media_parts([picture(), SOUND], "low", Features(vision=True, audio=False), STORE) == (MediaPart(picture(), "low", b"png"),)
    assert media_parts([picture(), SOUND], "low", Features(vision=False, audio=True), STORE) == (MediaPart(SOUND, "low", b"mp3"),)


FILM = File("video", "local_file", "a.mp4", ".mp4", "video/mp4", 3)


def test_pictures_and_films_may_be_sent_by_their_address():
    features, store = Features(vision=True, audio=True, video=True, by_address=True), StoredFiles({"a.mp3": b"mp3"})
    remote = replace(picture(), transfer_method="remote_url", remote_url="https://pictures.example/a.png")
    stored = replace(FILM, related_id="film-1")
    assert media_parts([remote, stored, SOUND], "low", features, store) == (
        MediaPart(remote, "low", url="https://pictures.example/a.png"),
        MediaPart(stored, "low", url="https://files/film-1"),
        MediaPart(SOUND, "low", b"mp3"),
    )


def test_a_file_that_no_model_takes_is_named():
    assert media_parts([OTHER], "high", Features(), STORE) == (TextPart("[Unsupported file type: a.bin (custom)]"),)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (replace(picture(), extension=""), "Missing file extension"),
        (replace(picture(), mime_type=""), "Missing file mime_type"),
        (picture("gone.png"), "gone.png is gone."),
    ],
)
def test_a_file_that_cannot_be_sent_is_an_error(file, message):
    with pytest.raises(NodeError) as caught:
        media_parts([file], "high", Features(), STORE)
    assert str(caught.value) == message


def test_parts_stand_before_the_text_of_the_user():
    messages = [Message.of("system", "s"), Message.of("user", "u")]
    assert with_media(messages, [TextPart("x")]) == [messages[0], Message("user", (TextPart("x"), TextPart("u")))]


@pytest.mark.parametrize("messages", [[], [Message.of("system", "s")], [Message.of("user", "u"), Message.of("assistant", "a")]])
def test_without_a_last_message_of_the_user_they_make_one(messages):
    assert with_media(messages, [TextPart("x")]) == [*messages, Message("user", (TextPart("x"),))]


def test_nothing_to_add_changes_nothing():
    messages = [Message.of("user", "u")]
    assert with_media(messages, []) == messages

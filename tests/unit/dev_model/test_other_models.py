import io
import wave

import httpx
import openai
import pytest

from app.dev_model.vectors import likeness, vector_of

TEXTS = ["The cat sat on the mat", "A cat sat on a mat", "Interest rates rise again"]


@pytest.fixture(scope="module")
def client(vendor):
    with openai.OpenAI(base_url=f"{vendor}/v1", api_key="any", max_retries=0, timeout=10) as client:
        yield client


def dot(left, right):
    return sum(a * b for a, b in zip(left, right, strict=True))


def test_embeddings_have_length_one_and_are_near_for_texts_alike(client):
    answer = client.embeddings.create(model="dev-embedding", input=TEXTS)

    first, second, third = (item.embedding for item in answer.data)
    assert len(first) == 256
    assert dot(first, first) == pytest.approx(1, abs=1e-5)
    assert dot(first, second) > 0.5 > dot(first, third)
    assert answer.usage.prompt_tokens == sum(len(text.split()) for text in TEXTS)


def test_embeddings_are_the_same_as_numbers_and_in_base64(client):
    numbers = client.embeddings.create(model="m", input="tea", encoding_format="float", dimensions=8).data[0].embedding
    packed = client.embeddings.create(model="m", input="tea", encoding_format="base64", dimensions=8).data[0].embedding

    assert isinstance(packed, str)
    assert len(numbers) == 8
    assert client.embeddings.create(model="m", input="tea", dimensions=8).data[0].embedding == pytest.approx(numbers)


def test_vectors_do_not_depend_on_case_and_exist_for_any_text():
    assert vector_of("Tea Time") == vector_of("tea time!")
    assert vector_of("") == vector_of("…") == [1.0, *[0.0] * 255]
    assert likeness("planting trees", "plant a tree") > 0.4 > likeness("planting trees", "pay a bill")
    assert likeness("春天的花", "春天的草") > likeness("春天的花", "股票下跌")


def test_documents_are_ranked_by_what_they_share_with_the_query(http):
    body = {"model": "dev-rerank", "query": "cat on a mat", "documents": [TEXTS[2], {"text": TEXTS[1]}, TEXTS[0]], "top_n": 2}

    results = http.post("/v1/rerank", json=body).json()["results"]

    assert [result["index"] for result in results] == [1, 2]
    assert 1 >= results[0]["relevance_score"] > results[1]["relevance_score"] > 0
    assert results[0]["document"] == {"text": TEXTS[1]}


def test_speech_comes_in_the_format_that_is_asked_for(client):
    def spoken(**more):
        return client.audio.speech.create(model="tts", voice="alloy", input="Hello big world", **more)

    mp3, wav = spoken(), spoken(response_format="wav")
    assert mp3.response.headers["content-type"] == "audio/mpeg"
    assert mp3.content[:2] == b"\xff\xf3"
    with wave.open(io.BytesIO(wav.content)) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (24_000, 3 * 8 * 576)
    assert len(spoken(response_format="pcm").content) == 2 * 3 * 8 * 576


def test_speech_is_streamed_a_word_at_a_time(http):
    body = {"model": "tts", "voice": "alloy", "input": "one two three four [[dev: drop_after=2]]"}
    with pytest.raises(httpx.RemoteProtocolError):
        http.post("/v1/audio/speech", json=body)

    assert http.get("/dev/calls").json()[-1]["tokens"] == 2


def test_a_recording_is_transcribed(client):
    def words(**more):
        return client.audio.transcriptions.create(model="whisper", file=("note.mp3", b"12345", "audio/mpeg"), **more)

    assert words().text == "A sample transcript of note.mp3, 5 bytes."
    assert words(response_format="text") == "A sample transcript of note.mp3, 5 bytes.\n"
    assert words(prompt='[[dev: text="Hello."]]').text == "Hello."


def test_faults_happen_to_these_models_too(client):
    with pytest.raises(openai.RateLimitError):
        client.embeddings.create(model="m?status=429", input="x")
    with pytest.raises(openai.InternalServerError):
        client.audio.speech.create(model="m", voice="v", input="[[dev: status=500]]")
    with pytest.raises(openai.AuthenticationError):
        client.audio.transcriptions.create(model="m?status=401", file=("a.wav", b"1"))


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("embeddings", {"model": "m", "input": []}, "Invalid 'input': empty string or array."),
        ("embeddings", {"model": "m", "input": [1]}, "Invalid type for 'input': "),
        ("embeddings", {"input": "x"}, "you must provide a model parameter"),
        ("rerank", {"model": "m", "query": "x", "documents": [1]}, "Invalid type for 'documents': "),
        ("audio/speech", {"model": "m", "input": "x"}, "you must provide a voice parameter"),
        ("audio/speech", {"model": "m", "input": "x", "voice": "v", "response_format": "midi"}, "Invalid value: 'midi'. "),
        ("audio/transcriptions", {"model": "m"}, "you must provide a file parameter"),
    ],
)
def test_bodies_that_a_vendor_refuses_are_refused(http, path, body, message):
    answer = http.post(f"/v1/{path}", json=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(message)

import io
from xml.etree import ElementTree

import pypdf
import pytest


def test_an_interface_answers_json_under_the_usual_names(ask):
    answer = ask("https://api.example.com/v1/status").json()

    assert answer["success"] is True
    assert answer["data"]["title"] == answer["title"]
    assert len(answer["items"]) == len(answer["results"]) == answer["total"] == 3


@pytest.mark.parametrize("path", ["orders", "v2/search", "api/hotlist/books", "v1/orders/list"])
def test_a_path_that_promises_several_things_answers_several(ask, path):
    assert [item["id"] for item in ask(f"https://api.example.com/{path}").json()["data"]] == [1, 2, 3]


@pytest.mark.parametrize(("method", "kind"), [("GET", list), ("POST", dict)])
def test_what_is_added_to_several_things_is_answered_alone(ask, method, kind):
    assert isinstance(ask("https://api.example.com/open/v1/pics", method).json()["data"], kind)


def test_who_would_rather_have_a_page_gets_one(ask):
    answer = ask("https://example.com/tea-and-cake", headers={"Accept": "text/html,*/*;q=0.8"})

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>Tea and cake</title>" in answer.text


def test_a_page_is_a_page_whoever_asks(ask):
    assert ask("https://example.com/a/index.html").text.startswith("<!doctype html>")


@pytest.mark.parametrize("path", ["rss", "feed/", "blog/atom", "news.xml"])
def test_feeds_are_feeds(ask, path):
    answer = ask(f"https://news.example.com/{path}")

    assert answer.headers["content-type"].startswith("application/rss+xml")
    assert len(ElementTree.fromstring(answer.text).findall("channel/item")) == 3


@pytest.mark.parametrize(
    ("name", "media_type", "begin"),
    [
        ("a.png", "image/png", b"\x89PNG"),
        ("a.JPG", "image/png", b"\x89PNG"),
        ("a.mp3", "audio/mpeg", b"\xff"),
        ("a.txt", "text/plain", b"A"),
    ],
)
def test_files_are_of_the_kind_that_their_name_says(ask, name, media_type, begin):
    answer = ask(f"https://cdn.example.com/{name}")

    assert answer.headers["content-type"] == media_type
    assert answer.content.startswith(begin)


def test_a_document_can_be_read(ask):
    assert "harbour" in pypdf.PdfReader(io.BytesIO(ask("https://example.com/contract.pdf").content)).pages[0].extract_text()


def test_head_answers_what_get_would_without_its_body(ask):
    head, get = (ask("https://example.com/contract.pdf", method) for method in ("HEAD", "GET"))

    assert head.content == b""
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


def test_pictures_come_by_address(ask):
    assert ask("http://192.168.1.7:8000/v1/images/generations", "POST", json={"prompt": "a boat"}).json()["data"][0]["url"]


def test_code_that_is_sent_to_a_sandbox_has_printed_something(ask):
    assert ask("http://sandbox:8194/v1/sandbox/run", "POST", json={"code": "1"}).json()["data"]["stdout"]


def test_stories_are_numbers_and_each_number_a_story(ask):
    numbers = ask("https://hacker-news.firebaseio.com/v0/topstories.json?print=pretty").json()
    stories = [ask(f"https://hacker-news.firebaseio.com/v0/item/{number}.json").json() for number in numbers]

    assert [story["id"] for story in stories] == numbers
    assert all(story["title"] and story["url"] for story in stories)


def test_readers_of_pages_answer_text(ask):
    assert "URL Source: https://example.com/a" in ask("https://r.jina.ai/https://example.com/a").text


def test_an_echo_repeats_what_was_asked(ask):
    told = ask("https://httpbin.org/post?a=1", "POST", json={"b": [2]}).json()
    assert (told["url"], told["args"], told["json"]) == ("https://httpbin.org/post", {"a": "1"}, {"b": [2]})

    assert ask("https://httpbin.org/post", "POST", data={"c": "3"}).json()["form"] == {"c": "3"}
    assert ask("https://httpbin.org/put", "PUT", content=b"no json").json()["data"] == "no json"


def test_models_that_are_asked_by_hand_answer(ask):
    body = {"model": "any", "messages": [{"role": "user", "content": '[[dev: text="Yes."]]'}]}
    assert ask("https://api.openai.com/v1/chat/completions", "POST", json=body).json()["choices"][0]["message"]["content"] == "Yes."


def test_the_same_request_has_the_same_answer(ask):
    assert ask("https://api.example.com/orders/7").content == ask("https://api.example.com/orders/7").content

import json

import pytest

from app.dev_http.script import ScriptError, read_script


@pytest.fixture
def script(tmp_path):
    def write(text, name="answers.yml"):
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return write


def test_the_first_rule_that_fits_answers(web_of, script):
    ask = web_of(
        read_script(
            script("""
- url: https://api.example.com/orders/7
  json: {state: sent}
- url: api.example.com/orders/*
  method: get
  status: 404
  text: no such order
  headers: {Retry-After: 3, Content-Type: text/x-words}
""")
        )
    )

    assert ask("https://api.example.com/orders/7").json() == {"state": "sent"}
    answer = ask("http://api.example.com/orders/8?full=1")
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (404, "no such order", "3")
    assert answer.headers["content-type"] == "text/x-words"
    assert ask("https://api.example.com/orders/8", "POST").json()["success"] is True


def test_files_lie_beside_the_script(web_of, script, tmp_path):
    (tmp_path / "bill.pdf").write_bytes(b"%PDF-1.4")
    answer = web_of(read_script(script(json.dumps([{"url": "*.pdf", "file": "bill.pdf"}]), "answers.json")))("https://example.com/a/b.pdf")

    assert (answer.content, answer.headers["content-type"]) == (b"%PDF-1.4", "application/pdf")


def test_rules_come_before_models(web_of, script):
    ask = web_of(read_script(script("- {url: '*/chat/completions', text: mine}")))

    assert ask("https://api.example.com/v1/chat/completions", "POST", json={}).text == "mine"


def test_a_rule_without_a_body_answers_without_one(web_of, script):
    answer = web_of(read_script(script("- {url: '*', status: 204}")))("https://example.com/")

    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "cannot be read"),
        ("url: x", "must be a list of rules"),
        ("- {json: 1}", "rule 1: it must be a mapping with `url`"),
        ("- {url: x}\n- {url: x, body: 1}", "rule 2: 'body' is not known"),
        ("- {url: x, json: 1, text: a}", "only one of json, text, file"),
        ("- {url: x, status: 302}", "status 302 cannot be answered"),
        ("- {url: x, status: many}", "status 'many' cannot be answered"),
        ("- {url: x, file: none.txt}", "rule 1: .*none.txt"),
    ],
)
def test_what_is_wrong_with_a_script_is_said(script, text, words):
    with pytest.raises(ScriptError, match=words):
        read_script(script(text))

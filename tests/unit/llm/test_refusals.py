import logging

import pytest

from worker.engine.models import Message, ModelError, ModelRef, ModelRequest
from worker.llm.refusals import Refusals, named_in

REFUSED = ModelError("[x] Unsupported parameter: 'top_k' is not supported with this model.", status=400)


class Server:
    """Refuses, one after the other, with these errors."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.bodies = []

    def __call__(self, body):
        self.bodies.append(dict(body))
        if self.errors:
            raise self.errors.pop(0)


def request(name="m", **parameters):
    return ModelRequest(ModelRef("x", name), [Message.of("user", "hi")], parameters)


def plainly(made):
    def body_of(refused):
        return {"model": "m", "messages": [], **{name: value for name, value in made.parameters.items() if name not in refused}}

    return body_of


def asked(refusals, server, made):
    refusals.asked(made, plainly(made), server)
    return server.bodies


def test_what_is_refused_is_left_out_then_and_later(caplog):
    refusals, made = Refusals("x"), request(top_k=5, seed=1)
    with caplog.at_level(logging.WARNING):
        bodies = asked(refusals, Server(REFUSED), made)
    assert [body.keys() - {"model", "messages"} for body in bodies] == [{"top_k", "seed"}, {"seed"}]
    assert [record.message for record in caplog.records] == ["x refuses top_k for m; it is asked without from now on."]
    assert asked(refusals, Server(), made) == [{"model": "m", "messages": [], "seed": 1}]


def test_who_is_refused_while_another_one_learns_tries_again_too():
    refusals, made, bodies = Refusals("x"), request(top_k=5), []

    def ask(body):
        bodies.append(dict(body))
        if len(bodies) == 1:
            asked(refusals, Server(REFUSED), made)
            raise REFUSED

    refusals.asked(made, plainly(made), ask)
    assert ["top_k" in body for body in bodies] == [True, False]


def test_another_model_is_asked_anew():
    refusals = Refusals("x")
    asked(refusals, Server(REFUSED), request(top_k=5))
    assert "top_k" in asked(refusals, Server(), request("other", top_k=5))[0]


def test_several_refusals_are_learned_one_by_one():
    second = ModelError("`temperature` is deprecated for this model.", status=422)
    assert len(asked(Refusals("x"), Server(REFUSED, second), request(top_k=5, temperature=1))) == 3


@pytest.mark.parametrize(
    "error",
    [
        ModelError("temperature must be between 0 and 2", status=400),
        ModelError("'messages' must contain the word 'json' to use 'response_format' of type 'json_object'.", status=400),
        ModelError("Unsupported parameter: 'top_k'", status=500),
        ModelError("Unsupported parameter: 'top_k'"),
        ModelError("This model is not supported.", status=400),
        ModelError("'messages' with that role are not supported", status=400),
    ],
)
def test_other_failures_are_failures(error):
    server = Server(error)
    with pytest.raises(ModelError) as caught:
        asked(Refusals("x"), server, request(top_k=5, temperature=9, response_format={"type": "json_object"}))
    assert caught.value is error
    assert len(server.bodies) == 1


def test_what_does_not_help_is_not_tried_for_ever():
    made, server = request(top_k=5), Server(REFUSED, REFUSED, REFUSED)
    with pytest.raises(ModelError):
        Refusals("x").asked(made, lambda refused: {"model": "m", "top_k": 5}, server)
    assert len(server.bodies) == 2


def test_what_is_ours_need_only_be_named():
    made, server = request(), Server(ModelError("bad value for stream_options", status=400))
    Refusals("x").asked(made, lambda refused: {} if "stream_options" in refused else {"stream_options": 1}, server)
    assert server.bodies == [{"stream_options": 1}, {}]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Unrecognized request argument supplied: enable_thinking", {"enable_thinking"}),
        ('Invalid JSON payload received. Unknown name "top_k": Cannot find field.', {"top_k"}),
        ("temperature: Extra inputs are not permitted", {"temperature"}),
        ("`seed` is not supported", {"seed"}),
        ("This response_format type is unavailable now", {"response_format"}),
        ("user: Extra inputs are not permitted", {"user"}),
        ("Unexpected role for a user message", set()),
        ("top_k_something is unknown", set()),
    ],
)
def test_names_are_found_in_the_words_of_many_servers(text, found):
    assert named_in(text, {"enable_thinking", "top_k", "temperature", "seed", "user", "response_format"}) == found


def test_what_is_not_sent_is_said_once(caplog):
    refusals, made = Refusals("openai"), request(mood="x")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            refusals.asked(made, lambda refused: {"model": "m"}, Server())
    assert [record.message for record in caplog.records] == ["openai knows no mood; it is not sent to m."]

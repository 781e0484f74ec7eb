import pytest

from worker.engine.errors import RunStopped
from worker.engine.inbox import Command, Inbox
from worker.engine.models import Answer, Message, ModelError, ModelRef, ModelRequest
from worker.llm.memory import ScriptedModels

REQUEST = ModelRequest(ModelRef("openai", "gpt"), [Message.of("user", "say it twice")])


def ask(models, inbox=None):
    heard = []
    return models.stream(REQUEST, inbox or Inbox(), heard.append), heard


def test_replies_come_in_turn_and_the_last_one_again_and_again():
    models = ScriptedModels(["one", "two"])
    assert [ask(models)[0].text for _ in range(3)] == ["one", "two", "two"]
    assert models.requests == [REQUEST] * 3


def test_a_script_sees_the_request():
    assert ask(ScriptedModels(lambda request: request.messages[0].text.upper()))[0].text == "SAY IT TWICE"


def test_the_pieces_make_the_whole_answer():
    answer, heard = ask(ScriptedModels([Answer("  two words\n", reasoning="think first")]))
    assert "".join(delta.text for delta in heard) == answer.text
    assert "".join(delta.reasoning for delta in heard) == answer.reasoning
    assert len(heard) == 5


def test_a_text_has_used_a_token_for_each_word():
    usage = ask(ScriptedModels(["it it"]))[0].usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 2, 5)


def test_a_scripted_failure_is_raised():
    with pytest.raises(ModelError, match="no quota"):
        ask(ScriptedModels([ModelError("no quota")]))


def test_a_stop_between_two_pieces_ends_the_answer():
    models, inbox, heard = ScriptedModels(["one two three"]), Inbox(), []

    def hear(delta):
        heard.append(delta.text)
        inbox.cancel(Command.STOP)

    with pytest.raises(RunStopped):
        models.stream(REQUEST, inbox, hear)
    assert heard == ["one "]

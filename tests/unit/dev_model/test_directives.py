import json

import pytest

from app.dev_model.directives import DirectiveError, Directives, of_model, of_text, of_words, without_directives


def test_directives_are_words_with_or_without_values():
    found = of_text('Hello [[dev: tokens=5 delay_ms=2.5 hang text="a ]] b" arguments={"k": [[1]]}]] there')

    assert found == {"tokens": "5", "delay_ms": "2.5", "hang": "", "text": "a ]] b", "arguments": {"k": [[1]]}}
    assert Directives().with_values(found) == Directives(tokens=5, delay_ms=2.5, hang=True, text="a ]] b", arguments={"k": [[1]]})


def test_a_later_directive_replaces_an_earlier_one():
    assert of_text("[[dev: tokens=1 clock]] and [[dev: tokens=2]]") == {"tokens": "2", "clock": ""}


def test_text_without_brackets_has_none():
    assert of_text("Just [dev: tokens=1] text") == {}


def test_directives_are_found_inside_json():
    prompt = json.dumps({"input_text": ['Hi [[dev: text="yes indeed" tokens=3]]']})

    assert of_text(prompt) == {"text": "yes indeed", "tokens": "3"}


def test_a_model_name_carries_directives():
    assert of_model("gpt-4o?tokens=3&hang&text=two%20words") == {"tokens": "3", "hang": "", "text": "two words"}
    assert of_model("gpt-4o") == {}


def test_words_are_directives_without_brackets():
    assert of_words('delay_ms=3 text="x y"') == {"delay_ms": "3", "text": "x y"}


def test_the_text_without_its_directives_is_what_people_read():
    assert without_directives("[[dev: hang]] Hello [[dev: tokens=1]]") == "Hello"
    assert without_directives(" as it was ") == " as it was "


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[dev: tokens=many]]", "tokens cannot be 'many'."),
        ("[[dev: speed=1]]", "There is no directive 'speed'; there are: text, tokens, "),
        ("[[dev: hang=maybe]]", "hang cannot be 'maybe'."),
        ("[[dev: calls={}]]", "calls cannot be {}."),
        ("[[dev: calls=[1]]]", "calls cannot be [1]."),
        ("[[dev: arguments=[]]]", "arguments cannot be []."),
        ("[[dev: 5]]", "Expected name=value in a directive, found ' 5]]'."),
        ("[[dev: hang", "Expected name=value in a directive, found ''."),
        ('[[dev: text="open]]', "A directive has no JSON at '\"open]]': "),
        ("[[dev: text= ]]", "Expected a value in a directive, found ' ]]'."),
        ('[[dev: text=\\"open]]', "A text of a directive has no end."),
    ],
)
def test_what_nobody_can_follow_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(DirectiveError) as refused:
        Directives().with_values(of_text(text))

    assert str(refused.value).startswith(sentence)


def test_faults_can_be_taken_out_of_a_script():
    script = Directives(tokens=3, status=500, hang_after=1, garbage=True)

    assert script.is_faulty
    assert script.without_faults() == Directives(tokens=3)
    assert not Directives(tokens=3, delay_ms=1).is_faulty


def test_a_fault_after_no_token_is_a_fault():
    assert Directives(drop_after=0).is_faulty

"""Answers from the command line, to forms of a run in a database in memory."""

import re

import click
import pytest

from app.cli.answering import Answer, chosen_form, give_answer
from tests.unit import running
from tests.unit.app.asking import FILE, FILES, PARAGRAPH, SELECT, Asking, form_of
from worker.bus.memory import MemoryEventLog
from worker.config import Config
from worker.engine.errors import FormError
from worker.engine.memory import SystemClock
from worker.engine.variables import remote_address
from worker.journal import RunJournal, envelope_of
from worker.store.errors import FormSubmitted
from worker.store.files import find_any_file
from worker.store.forms import held_forms, waiting_forms


@pytest.fixture
def database():
    database = running.memory_database()
    yield database
    database.dispose()


@pytest.fixture
def config(tmp_path):
    return Config(database_url="sqlite://", data_dir=tmp_path / "data")


def ask(database, *forms):
    """A paused run, and the forms that it waits for."""
    run = running.accept(database)
    held = running.claimed(database, run)
    journal = RunJournal(held, envelope_of(held, remote_address), database, MemoryEventLog(), SystemClock(), patience_s=0.0)
    Asking(database, forms)(held, journal)
    with database.read() as session:
        return run, waiting_forms(session, run.app_id, run.run_id)


def answers(database, run):
    with database.read() as session:
        return [form.answer for form in held_forms(session, run.run_id).values()]


def answer(*pairs, action="approve", inputs=None, user=None):
    return Answer(action, pairs, inputs, user)


def test_texts_and_options_are_given_as_name_and_value(database, config):
    run, [form] = ask(database, form_of(PARAGRAPH, SELECT))

    woken = give_answer(config, database, run.app_id, form, answer("reason=a=b", "urgency=high"))

    assert (woken.run_id, woken.task_id) == (run.run_id, run.task_id)
    [given] = answers(database, run)
    assert (given.action_id, given.values) == ("approve", {"reason": "a=b", "urgency": "high"})


def test_what_is_not_given_stays_what_the_form_begins_with(database, config):
    computed = {**PARAGRAPH, "output_variable_name": "note", "default": {"type": "variable", "selector": ["start", "q"], "value": ""}}
    run, [form] = ask(database, form_of(PARAGRAPH, computed, SELECT, note="From the run."))

    give_answer(config, database, run.app_id, form, answer(inputs='{"urgency": "low"}'))

    [given] = answers(database, run)
    assert given.values == {"reason": "None.", "note": "From the run.", "urgency": "low"}


def test_files_of_this_machine_become_uploads(database, config, tmp_path):
    paths = [tmp_path / name for name in ("offer.txt", "a.md", "b.md")]
    for path in paths:
        path.write_text("content")
    run, [form] = ask(database, form_of(FILE, FILES))

    give_answer(
        config,
        database,
        run.app_id,
        form,
        answer(*(f"{name}=@{path}" for name, path in zip(("contract", "annexes", "annexes"), paths, strict=True))),
    )

    [given] = answers(database, run)
    contract, annexes = given.values["contract"], given.values["annexes"]
    assert [file.filename for file in (contract, *annexes)] == ["offer.txt", "a.md", "b.md"]
    with database.read() as session:
        assert find_any_file(session, contract.related_id).size == len("content")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (answer(action="perhaps"), "Invalid action: perhaps"),
        (answer("urgency=medium"), "urgency in input form must be one of the following: ['low', 'high']"),
        (answer(), "Missing required inputs: urgency"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(database, config, given, sentence):
    run, [form] = ask(database, form_of(PARAGRAPH, SELECT))

    with pytest.raises(FormError, match=f"^{re.escape(sentence)}$"):
        give_answer(config, database, run.app_id, form, given)

    assert answers(database, run) == [None]


def test_an_input_that_the_form_does_not_have_is_named(database, config):
    run, [form] = ask(database, form_of(PARAGRAPH))

    with pytest.raises(click.UsageError, match=r"The form has no input 'x'; its inputs are: reason\."):
        give_answer(config, database, run.app_id, form, answer("x=1"))


def test_a_form_is_answered_once(database, config):
    run, [form] = ask(database, form_of(PARAGRAPH))
    give_answer(config, database, run.app_id, form, answer())

    with pytest.raises(FormSubmitted):
        give_answer(config, database, run.app_id, form, answer(action="reject"))


def test_the_only_form_need_not_be_named(database):
    _, forms = ask(database, form_of(PARAGRAPH))

    assert chosen_form(forms, None) is forms[0]


@pytest.mark.parametrize("name", ["node_id", "form_id", "token"])
def test_one_of_several_forms_is_named_by_its_node_its_id_or_its_token(database, name):
    _, forms = ask(database, form_of(PARAGRAPH), form_of(SELECT))

    assert chosen_form(forms, getattr(forms[1].held, name)) is forms[1]


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [(None, "The run waits for several forms: choose one with --form: ask0, ask1."), ("nosuch", "Its forms are: ask0, ask1.")],
)
def test_a_choice_that_is_none_names_the_forms(database, wanted, sentence):
    _, forms = ask(database, form_of(PARAGRAPH), form_of(SELECT))

    with pytest.raises(click.UsageError) as refused:
        chosen_form(forms, wanted)

    assert refused.value.message == sentence


def test_a_run_that_waits_for_nothing_is_told_so():
    with pytest.raises(click.ClickException, match=r"The run waits for no form\."):
        chosen_form([], None)

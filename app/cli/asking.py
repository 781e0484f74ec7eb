"""Who answers the forms of `penstock run`: the person at the terminal, or made-up values."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from app.cli.failures import say
from app.cli.inputs import OfferFile
from app.cli.local_files import LocalFiles
from app.cli.sample_inputs import sample_values
from worker.engine.errors import FormError
from worker.engine.form import Form
from worker.engine.form_variables import FormVariable
from worker.engine.human_form import HumanForm, variable_of
from worker.engine.pausing import FormAnswer, HeldForm

#: Finds the answer to a form. Raises ``click.ClickException`` if there is nobody to ask.
Ask = Callable[[HeldForm], FormAnswer]


def made_up_answers(folder: Path, files: LocalFiles) -> Ask:
    """The first action, and something plausible for each input."""

    def answer(held: HeldForm) -> FormAnswer:
        form, action = held.form, next((action.id for action in held.form.actions), "")
        controls = Form([variable_of(declared) for declared in form.inputs])
        values = sample_values(controls, folder, files.offer)
        return FormAnswer(action, form.prepare(action, values, files.resolve)) if action else FormAnswer()

    return answer


def answers_of_terminal(files: LocalFiles) -> Ask:
    """Shows the form on stderr and reads stdin, again until the answer fits."""

    def answer(held: HeldForm) -> FormAnswer:
        if not sys.stdin.isatty():
            raise click.ClickException(unanswered(held))
        click.echo(f"\n{held.node_title or held.node_id}\n\n{held.form.rendered({})}\n", err=True)
        while True:
            try:
                return _read(held.form, files)
            except FormError as error:
                say(error.message)

    return answer


def unanswered(held: HeldForm) -> str:
    names = ", ".join(str(declared["output_variable_name"]) for declared in held.form.inputs) or "no inputs"
    actions = ", ".join(action.id for action in held.form.actions) or "no action"
    form = f"the form of node '{held.node_title or held.node_id}' ({names}; {actions})"
    return f"The run waits for a person to fill in {form}: start it on a terminal to answer, or with --sample-inputs."


def _read(form: HumanForm, files: LocalFiles) -> FormAnswer:
    variables = [variable_of(declared) for declared in form.inputs]
    inputs = {variable.name: _read_input(variable, form.first_values.get(variable.name), files.offer) for variable in variables}
    titles = {action.id: action.title for action in form.actions}
    for action_id, title in titles.items():
        click.echo(f"  {action_id}: {title}", err=True)
    action: str = click.prompt("Action", type=click.Choice(list(titles)), err=True)
    return FormAnswer(action, form.prepare(action, inputs, files.resolve))


def _read_input(variable: FormVariable, first: str | None, offer: OfferFile) -> Any:
    if variable.type == "select":
        return click.prompt(variable.name, type=click.Choice(list(variable.options)), err=True)
    if variable.type == "paragraph":
        return click.prompt(variable.name, default=first or "", err=True)
    text = click.prompt(f"{variable.name} (@path or address{', several with blanks' if variable.type == 'file-list' else ''})", err=True)
    return offer(text) if variable.type == "file" else [offer(part) for part in text.split()]

"""Inputs of `penstock run` and `penstock runs answer`: texts of the command line -> what a request to the API would carry."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from worker.engine.form import Form
from worker.engine.form_variables import FormVariable

#: A file reference of the command line -> the file mapping of a request.
OfferFile = Callable[[str], dict[str, Any]]


def read_inputs(form: Form, pairs: Sequence[str], raw: str | None, offer: OfferFile) -> dict[str, Any]:
    """``-i name=value`` over ``--inputs``; a file list takes several ``-i``. Raises ``click.UsageError``, ``FormError``."""
    inputs = read_object(raw) if raw is not None else {}
    variables = {variable.name: variable for variable in form.variables}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator:
            raise click.UsageError(f"-i {pair} must have the form name=value.")
        if name not in variables:
            raise click.UsageError(f"The form has no input '{name}'; its inputs are: {', '.join(variables) or 'none'}.")
        value = _read_value(variables[name], text, offer)
        inputs[name] = [*inputs.get(name, ()), value] if variables[name].type == "file-list" else value
    return inputs


def _read_value(variable: FormVariable, text: str, offer: OfferFile) -> Any:
    """Texts and numbers stay text: the form converts them as it does for a request."""
    if variable.type in ("file", "file-list") and not text.startswith("{"):
        return offer(text)
    if variable.type in ("file", "file-list", "json_object"):
        return _parse(text, f"-i {variable.name}")
    return text


def read_object(raw: str) -> dict[str, Any]:
    """The object of ``--inputs``: JSON, or ``@file`` with it."""
    if raw.startswith("@"):
        try:
            raw = Path(raw[1:]).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"--inputs {raw} cannot be read: {error}.") from error
    value = _parse(raw, "--inputs")
    if not isinstance(value, dict):
        raise click.UsageError("--inputs must be a JSON object.")
    return value


def _parse(text: str, option: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{option} is not JSON: {error}.") from error

"""Inputs for trying a workflow: something plausible for each variable of its start form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from app.cli.inputs import OfferFile
from app.cli.sample_files import sample_file
from app.dev_model.samples import sample_of
from worker.engine.form import Form
from worker.engine.form_variables import TEXT_TYPES, FormVariable

#: Words in the name or the label of a text -> what it may be, the first that fits; in the languages of most exports.
TEXTS: Mapping[str, str] = {
    "json": '{"title": "A sample", "items": [{"name": "tea", "count": 2}]}',
    "mail": "ada@example.com",
    "邮箱": "ada@example.com",
    "url": "https://example.com/",
    "link": "https://example.com/",
    "website": "https://example.com/",
    "链接": "https://example.com/",
    "网址": "https://example.com/",
    "phone": "+1 555 0100",
    "电话": "+1 555 0100",
    "date": "2026-01-15",
    "日期": "2026-01-15",
    "lang": "English",
    "语言": "English",
    "country": "Portugal",
    "国家": "Portugal",
    "city": "Lisbon",
    "城市": "Lisbon",
    "author": "Ada Lovelace",
    "作者": "Ada Lovelace",
    "姓名": "Ada Lovelace",
    "customer": "Ada Lovelace",
    "file_name": "sample.txt",
    "filename": "sample.txt",
    "文件名": "sample.txt",
    "name": "Ada Lovelace",
    "code": 'print("Hello")',
    "代码": 'print("Hello")',
    "question": "What is a good day to plant a tree?",
    "query": "What is a good day to plant a tree?",
    "问题": "What is a good day to plant a tree?",
}

PARAGRAPH = "The harbour was quiet in the morning. Two boats came in with the tide, and the market opened an hour later."

#: For variables that take only files by address.
REMOTE_FILE = "https://example.com/sample.txt"


def sample_values(form: Form, folder: Path, offer: OfferFile) -> dict[str, Any]:
    """One input a variable, its default if it has one; sample files are made in ``folder``."""
    return {variable.name: _sample(variable, folder, offer) for variable in form.variables}


def _sample(variable: FormVariable, folder: Path, offer: OfferFile) -> Any:
    if variable.default not in (None, ""):
        return variable.default
    if variable.type == "file":
        return _file(variable, folder, offer)
    if variable.type == "file-list":
        return [_file(variable, folder, offer)]
    return SAMPLES[variable.type](variable)


def _file(variable: FormVariable, folder: Path, offer: OfferFile) -> dict[str, Any]:
    if variable.rules.methods and "local_file" not in variable.rules.methods:
        return offer(REMOTE_FILE)
    path = sample_file(folder, variable.rules, _words(variable))
    return {**offer(f"@{path}"), **({"type": "custom"} if _is_custom(variable) else {})}


def _is_custom(variable: FormVariable) -> bool:
    """Whether only files with certain extensions are taken, which then count as custom ones."""
    return variable.rules.types == {"custom"}


def _words(variable: FormVariable) -> str:
    return f"{variable.name} {variable.document.get('label') or ''}".lower()


def _text(variable: FormVariable) -> str:
    words = _words(variable)
    known = next((text for word, text in TEXTS.items() if word in words), None)
    text = known or (PARAGRAPH if variable.type == "paragraph" else f"A sample {variable.document.get('label') or variable.name}")
    return text[: variable.max_length or None]


def _option(variable: FormVariable) -> str:
    return next(iter(variable.options), "")


def _number(variable: FormVariable) -> int:
    return 1


def _checked(variable: FormVariable) -> bool:
    return True


def _object(variable: FormVariable) -> Any:
    return sample_of(variable.json_schema or {"type": "object", "properties": {"name": {}}})


SAMPLES: Mapping[str, Callable[[FormVariable], Any]] = {
    **dict.fromkeys(TEXT_TYPES, _text),
    "select": _option,
    "number": _number,
    "checkbox": _checked,
    "json_object": _object,
}

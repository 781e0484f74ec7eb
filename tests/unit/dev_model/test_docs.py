import re
from dataclasses import fields
from pathlib import Path

from app.dev_model.answerers import ANSWERERS
from app.dev_model.directives import Directives

PAGE = (Path(__file__).parents[3] / "docs" / "dev-model.md").read_text("utf-8")


def test_every_directive_is_documented():
    assert re.findall(r"^\| `([a-z_]+)[=`]", PAGE, re.MULTILINE) == [field.name for field in fields(Directives)]


def test_every_address_is_documented():
    assert {f"/v1{path}" for path in ANSWERERS} == set(re.findall(r"^\| `POST (\S+)`", PAGE, re.MULTILINE))

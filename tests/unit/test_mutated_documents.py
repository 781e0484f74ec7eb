"""Documents that differ from real ones in a few places: whatever is wrong with them, an import says so in a moment and never breaks.

``pytest --hypothesis-profile=long tests/unit/test_mutated_documents.py`` tries many more of them.
"""

from __future__ import annotations

import copy
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app import documents
from app.documents import DocumentError, parse_document
from app.publish import check_document
from worker.engine.dsl import content_hash
from worker.engine.errors import FormError, GraphError
from worker.engine.form import Form
from worker.nodes.registry import Registry
from worker.store.encoding import dumps, loads

REGISTRY = Registry()

FOLDERS = (Path(__file__).parents[1] / "data" / "golden" / "apps", Path(documents.__file__).parent / "examples")
TEXTS = {
    path.stem: path.read_text("utf-8").replace("{{STUB}}", "http://stub.example")
    for folder in FOLDERS
    for path in sorted(folder.glob("*.yml"))
}

#: An import that takes longer hangs (reliability.md section 3.5).
in_a_moment = settings(deadline=datetime.timedelta(seconds=2))

names = st.sampled_from(sorted(TEXTS))

Place = tuple[str | int, ...]


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """The way to every value inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*place, key)
        yield from places(item, (*place, key))


def at(document: Any, place: Place) -> Any:
    for key in place:
        document = document[key]
    return document


# Mutations of the tree: each changes a document in place, given where, and a place of it to borrow from.


def replace(document: Any, place: Place, other: Place, odd: Any) -> None:
    at(document, place[:-1])[place[-1]] = odd


def remove(document: Any, place: Place, other: Place, odd: Any) -> None:
    del at(document, place[:-1])[place[-1]]


def move(document: Any, place: Place, other: Place, odd: Any) -> None:
    """A part that is right elsewhere."""
    at(document, place[:-1])[place[-1]] = copy.deepcopy(at(document, other))


def repeat(document: Any, place: Place, other: Place, odd: Any) -> None:
    around = at(document, place[:-1])
    if isinstance(around, list):
        around.insert(place[-1], copy.deepcopy(around[place[-1]]))
    else:
        around[f"{place[-1]}2"] = copy.deepcopy(around[place[-1]])


def wrap(document: Any, place: Place, other: Place, odd: Any) -> None:
    around = at(document, place[:-1])
    around[place[-1]] = [around[place[-1]]] if isinstance(odd, list) else {"value": around[place[-1]]}


def deepen(document: Any, place: Place, other: Place, odd: Any) -> None:
    around = at(document, place[:-1])
    for _ in range(60):
        around[place[-1]] = {"in": around[place[-1]]}


MUTATIONS = (replace, remove, move, repeat, wrap, deepen)

odd_values = st.sampled_from(
    [None, True, 0, -1, 2**70, 1.5, "", " ", "start", "{{#a.b#}}", "{{", "{{ x.__class__ }}", "\0", "é" * 999, [], [[]], {}, {"type": []}]
) | st.text(max_size=5)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    document = parse_document(TEXTS[draw(names)])
    for _ in range(draw(st.integers(1, 5))):
        known = list(places(document))
        if known:
            mutation = draw(st.sampled_from(MUTATIONS))
            mutation(document, draw(st.sampled_from(known)), draw(st.sampled_from(known)), copy.deepcopy(draw(odd_values)))
    return document


@in_a_moment
@given(mutated())
def test_a_changed_document_is_refused_with_reasons_or_can_be_used(document: Any) -> None:
    check = check_document(document, REGISTRY)

    assert (check.workflow is None) == bool(check.errors)
    for finding in check.findings:
        assert finding.message
        assert "\n" not in finding.message
        assert finding.path or finding.node_id, finding
    if check.workflow is not None:
        # What an import does next.
        content_hash(document)
        assert loads(dumps(document)) is not None
        use_form(check.workflow)


def use_form(workflow: Any) -> None:
    try:
        form = Form.of(workflow)
        form.user_input_form()
        form.prepare({}, resolve_file=lambda *given: None, validate_schema=lambda *given: None)
    except (GraphError, FormError):
        return


# Mutations of the text.

PIECES = (
    "&a ",
    "*a",
    "!!python/object/apply:os.system ",
    "!x ",
    "<<: *a\n",
    "? ",
    "\n- ",
    "{",
    "[",
    "]",
    "'",
    '"',
    "|\n",
    "\t",
    "---\n",
    "%YAML 9\n",
)
pieces = st.sampled_from(PIECES) | st.text(max_size=3)


@st.composite
def scribbled(draw: st.DrawFn) -> str:
    """A text with pieces cut out, doubled or put in."""
    text = TEXTS[draw(names)]
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(start + draw(st.integers(0, 200)), len(text))
        text = text[:start] + draw(pieces) + draw(st.sampled_from(["", text[start:end], text[start:end] * 2])) + text[end:]
    return text


@in_a_moment
@given(scribbled())
def test_a_changed_text_is_a_document_or_refused_in_one_sentence(text: str) -> None:
    document, refusal = read(text)

    if document is None:
        assert refusal
        assert "\n" not in refusal
    else:
        check_document(document, REGISTRY)


def read(text: str) -> tuple[dict[str, Any] | None, str]:
    """The document, or why it is none."""
    try:
        return parse_document(text), ""
    except DocumentError as error:
        return None, str(error)

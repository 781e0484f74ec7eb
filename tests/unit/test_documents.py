import time
from pathlib import Path

import pytest
import yaml

from app import documents
from app.documents import MAX_NODES, DocumentError, parse_document, read_document

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "apps"
EXAMPLES = Path(documents.__file__).parent / "examples"


def refusal(text: str | bytes) -> str:
    with pytest.raises(DocumentError) as caught:
        parse_document(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("path", [*sorted(GOLDEN.glob("*.yml")), *sorted(EXAMPLES.glob("*.yml"))], ids=lambda path: path.stem)
def test_exports_read_as_the_safe_loader_reads_them(path):
    text = path.read_text("utf-8").replace("{{STUB}}", "http://stub")

    assert parse_document(text) == yaml.safe_load(text)


def test_a_json_document_is_a_document():
    assert parse_document('{"app": {"name": "A", "n": [1, 2.5, true, null]}}') == {"app": {"name": "A", "n": [1, 2.5, True, None]}}


def test_a_byte_order_mark_is_skipped():
    assert parse_document(b"\xef\xbb\xbfa: 1") == {"a": 1}


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-7", -7),
        ("0", 0),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0b101", 5),
        ("0755", 493),
        ("1.50", 1.5),
        ("-.5", -0.5),
        ("1.0e+3", 1000.0),
        ("1e5", "1e5"),
        ("08", "08"),
        ("2001-01-01", "2001-01-01"),
        ("2001-01-01 10:00:00", "2001-01-01 10:00:00"),
        ("16:30", "16:30"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("9" * 30, "9" * 30),
        ("9223372036854775807", 2**63 - 1),
        ("'no'", "no"),
        ('"12"', "12"),
        ("-", None),
        ("+", "+"),
    ],
)
def test_plain_scalars_follow_yaml_1_1_without_its_surprises(scalar, value):
    if scalar == "-":
        assert parse_document("v: [-1, '-']") == {"v": [-1, "-"]}
    else:
        assert parse_document(f"v: {scalar}") == {"v": value}


def test_ids_names_keys_and_selectors_are_always_text():
    text = """
      nodes:
        - id: no
          title: 2024
          parentId: 007
          data: {variables: [[yes, 1]], options: [yes, no, 1.0], value_selector: [on, off]}
        - data: {variables: [{variable: 1, required: yes}]}
      edges: [{source: no, target: 0x10, sourceHandle: true}]
      yes: 1
    """

    document = parse_document(text)

    assert document["nodes"][0]["id"] == "no"
    assert document["nodes"][0]["title"] == "2024"
    assert document["nodes"][0]["parentId"] == "007"
    assert document["nodes"][0]["data"] == {
        "variables": [["yes", "1"]],
        "options": ["yes", "no", "1.0"],
        "value_selector": ["on", "off"],
    }
    assert document["nodes"][1]["data"]["variables"] == [{"variable": "1", "required": True}]
    assert document["edges"] == [{"source": "no", "target": "0x10", "sourceHandle": "true"}]
    assert document["yes"] == 1


def test_an_alias_is_a_copy():
    document = parse_document("a: &x {l: [1]}\nb: *x\nc: &s text\nd: *s")

    document["a"]["l"].append(2)

    assert document["b"] == {"l": [1]}
    assert document["d"] == "text"


def test_merge_keys_add_what_is_not_there():
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 9}\nd:\n  <<: *b"

    document = parse_document(text)

    assert document["c"] == {"x": 9, "y": 2, "z": 4}
    assert document["d"] == {"y": 3, "z": 4}
    assert refusal("a: {<<: 1}") == "line 1: a merge key '<<' needs a mapping"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Invalid YAML format: content must be a mapping"),
        ("- a", "Invalid YAML format: content must be a mapping"),
        ("text", "Invalid YAML format: content must be a mapping"),
        ("a: 1\nb: {c: 2, c: 3}", "line 2: the key 'c' is there twice"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]", "tags such as 'tag:yaml.org,2002:python/object/apply:os.system' are not allowed"),
        ("a: !custom x", "tags such as '!custom' are not allowed"),
        ("a: !!str 1", "are not allowed"),
        ("a: &x [1, *x]", "line 1: the anchor 'x' contains itself"),
        ("a: &x {b: {c: *x}}", "line 1: the anchor 'x' contains itself"),
        ("a: *missing", "line 1: the anchor 'missing' is not defined"),
        ("? [a, b]\n: 1", "line 1: a key must be plain text"),
        ("? {a: b}\n: 1", "line 1: a key must be plain text"),
        ("k: &k x\n? *k\n: 1", "line 2: a key must be plain text"),
        ("a: 1\n---\nb: 2", "line 2: only one YAML document may be in the file"),
        ("a: [1\nb: 2", "line 2: not valid YAML:"),
        ("a:\n\t- b", "line 2: not valid YAML:"),
        ('a: "\x01"', "not valid YAML: unacceptable character #x0001"),
        (b"a: \xff", "not valid UTF-8 at byte 3"),
        ("a: \ud800", "not valid UTF-8 at byte 3"),
    ],
)
def test_what_is_no_plain_document_is_refused_in_one_sentence(text, message):
    assert message in refusal(text)


def bomb() -> str:
    first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    return first + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 20))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 1_000_000, "nest"),
        ("{a: " * 1_000_000, "nested deeper than 50 levels"),
        ("- " * 1_000_000, "nested deeper than 50 levels"),
        ("\n".join(" " * depth + "a:" for depth in range(2000)), "nested deeper than 50 levels"),
        ("a: " + "x" * 50_000_000, "larger than 10 MiB"),
        ("a: [" + "1," * 5_000_000 + "]", f"more than {MAX_NODES} values"),
        ("".join(f"k{number}: 1\n" for number in range(700_000)), f"more than {MAX_NODES} values"),
        (bomb(), f"more than {MAX_NODES} values"),
    ],
    ids=["flow-lists", "flow-mappings", "block-lists", "block-mappings", "50-MB", "many-items", "many-keys", "bomb"],
)
def test_a_hostile_document_is_refused_quickly(text, message):
    started = time.perf_counter()

    assert message in refusal(text)

    assert time.perf_counter() - started < 2.0


def test_fifty_levels_are_allowed_and_one_more_is_not():
    assert parse_document("a: " + "[" * 49 + "]" * 49)
    assert "nested deeper" in refusal("a: " + "[" * 50 + "]" * 50)


def test_levels_behind_an_alias_count():
    nested = "a: &a " + "[" * 30 + "]" * 30

    assert parse_document(f"{nested}\nb: {'[' * 18}*a{']' * 18}")
    assert "nested deeper" in refusal(f"{nested}\nb: {'[' * 20}*a{']' * 20}")


def test_a_file_that_cannot_be_read_is_a_document_error(tmp_path):
    with pytest.raises(DocumentError, match="cannot be read: No such file"):
        read_document(tmp_path / "missing.yml")


def test_a_file_is_read(tmp_path):
    (tmp_path / "a.yml").write_text("app: {name: Ä}", "utf-8")

    assert read_document(tmp_path / "a.yml") == {"app": {"name": "Ä"}}

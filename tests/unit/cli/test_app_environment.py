import io
import json
import os
import pty
import subprocess
import sys

import pytest

from tests.services import documents
from tests.services.processes import SCRIPTS, clean_environment
from tests.services.waiting import wait_for
from worker.engine.environment import MAX_SIZE

CANARY = "canary-5up3r-53cr37"

VARIABLES = [
    {"name": "API_KEY", "value_type": "secret", "value": ""},
    {"name": "OLD_KEY", "value_type": "secret", "value": "exported"},
    {"name": "RETRIES", "value_type": "number", "value": 3},
    {"name": "REGION", "value_type": "string", "value": ""},
    {"name": "MODEL", "value_type": "llm", "value": {"name": "m"}},
]


@pytest.fixture
def documented(tmp_path):
    """Writes an app that declares these environment variables to a file."""

    def write(variables=VARIABLES, query="q"):
        document = documents.chain("Caller", [documents.start(documents.variable(query)), documents.end(q=["start", query])])
        document["workflow"]["environment_variables"] = variables
        path = tmp_path / "caller.yml"
        path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
        return path

    return write


@pytest.fixture
def caller(penstock, documented):
    assert penstock("apps", "import", documented()).code == 0
    return penstock


@pytest.fixture
def typed(monkeypatch):
    """What the next command finds on standard input, which is no terminal."""

    def feed(raw):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))

    return feed


def states(penstock):
    return {row["name"]: row["state"] for row in penstock("apps", "env", "list", "Caller", "--json").lines()}


def test_a_value_is_read_from_standard_input_and_kept_out_of_sight(caller, typed, tmp_path):
    typed(f"{CANARY}\n".encode())
    done = caller("apps", "env", "set", "Caller", "API_KEY")

    assert (done.code, done.out, done.err) == (0, "Caller: API_KEY is set.\n", "")
    assert states(caller)["API_KEY"] == "set"
    assert CANARY not in caller("apps", "env", "list", "Caller").out
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert "penstock.sqlite3" in [path.name for path in kept]
    assert [path.name for path in kept if CANARY.encode() in path.read_bytes()] == []


def test_a_value_is_asked_for_at_a_terminal_and_not_shown(caller, tmp_path):
    ours, theirs = pty.openpty()
    environment = clean_environment(PENSTOCK_DATA_DIR=str(tmp_path / "data"))
    command = [str(SCRIPTS / "penstock"), "apps", "env", "set", "Caller", "API_KEY"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True)
    os.close(theirs)
    shown = bytearray()
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        os.set_blocking(ours, False)

        def has_shown(text):
            shown.extend(terminal.read(4096) or b"")
            return text in shown

        wait_for(lambda: has_shown(b"Value of API_KEY: "), "the question")
        terminal.write(f"{CANARY}\n".encode())
        wait_for(lambda: has_shown(b"is set."), "the answer")
        assert process.wait(timeout=30) == 0

    assert CANARY.encode() not in shown
    assert states(caller)["API_KEY"] == "set"


def test_the_list_says_where_values_come_from(caller, typed):
    assert states(caller) == dict.fromkeys(["OLD_KEY", "RETRIES", "REGION", "MODEL"], "document") | {"API_KEY": "missing"}

    for name, value in (("RETRIES", "5"), ("MODEL", '{"name": "n"}'), ("REGION", "")):
        assert caller("apps", "env", "set", "Caller", name, "--value", value).code == 0

    rows = caller("apps", "env", "list", "Caller", "--json").lines()
    assert list(rows[0]) == ["name", "type", "state", "updated_at"]
    assert [(row["name"], row["type"], row["state"], row["updated_at"] is not None) for row in rows] == [
        ("API_KEY", "secret", "missing", False),
        ("OLD_KEY", "secret", "document", False),
        ("RETRIES", "number", "set", True),
        ("REGION", "string", "set", True),
        ("MODEL", "llm", "set", True),
    ]
    lines = [line.split("\t")[:3] for line in caller("apps", "env", "list", "Caller").out.splitlines()]
    assert lines[0] == ["API_KEY", "secret", "missing"]
    assert lines[1] == ["OLD_KEY", "secret", "in the document"]
    assert lines[2] == ["RETRIES", "number", "set here"]


def test_an_unset_value_gives_way_to_the_document(caller):
    caller("apps", "env", "set", "Caller", "OLD_KEY", "--value", "x")

    assert caller("apps", "env", "unset", "Caller", "OLD_KEY").out == "Caller: OLD_KEY is not set any more.\n"
    assert states(caller)["OLD_KEY"] == "document"
    again = caller("apps", "env", "unset", "Caller", "OLD_KEY")
    assert (again.code, again.err) == (1, "penstock: No value is set for 'OLD_KEY'.\n")


def test_a_name_that_only_an_earlier_version_declares_can_be_set(caller, documented):
    newer = documented([{"name": "OTHER", "value_type": "string", "value": "x"}])
    assert caller("apps", "publish", "Caller", newer).code == 0

    assert caller("apps", "env", "set", "Caller", "API_KEY", "--value", "x").code == 0

    assert states(caller) == {"OTHER": "document", "API_KEY": "set"}
    assert "API_KEY\tnot declared\tset here\t" in caller("apps", "env", "list", "Caller").out


def test_the_current_version_says_what_a_variable_is(caller, documented):
    caller("apps", "publish", "Caller", documented([{"name": "RETRIES", "value_type": "string", "value": "x"}]))
    assert caller("apps", "env", "set", "Caller", "RETRIES", "--value", "many").code == 0

    caller("apps", "rollback", "Caller")
    assert caller("apps", "env", "set", "Caller", "RETRIES", "--value", "many").code == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("Nobody", "API_KEY"), "There is no app 'Nobody'."),
        (
            ("Caller", "api_key"),
            "No version of Caller declares the environment variable 'api_key'; declared are: API_KEY, OLD_KEY, RETRIES, REGION, MODEL.",
        ),
        (("Caller", "RETRIES"), "The value supplied for the environment variable 'RETRIES' is no number."),
        (("Caller", "MODEL"), "The value supplied for the environment variable 'MODEL' is no llm."),
    ],
)
def test_what_cannot_be_set_is_refused_in_a_sentence(caller, arguments, sentence):
    done = caller("apps", "env", "set", *arguments, "--value", CANARY)

    assert (done.code, done.out, done.err) == (1, "", f"penstock: {sentence}\n")


def test_an_app_without_variables_says_so(penstock, documented):
    penstock("apps", "import", documented([]))

    assert penstock("apps", "env", "set", "Caller", "API_KEY", "--value", "x").err.endswith("declared are: none.\n")
    assert penstock("apps", "env", "list", "Caller").out == ""


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "The value supplied for the secret 'API_KEY' is empty."),
        (b"\r\n", "The value supplied for the secret 'API_KEY' is empty."),
        (b"\xff", "The value is not UTF-8 text."),
        (b"x" * (MAX_SIZE + 1), f"The value supplied for 'API_KEY' has {MAX_SIZE + 1} bytes, {MAX_SIZE} are allowed."),
    ],
    ids=["empty", "blank", "binary", "long"],
)
def test_a_secret_that_is_none_is_refused(caller, typed, raw, sentence):
    typed(raw)
    done = caller("apps", "env", "set", "Caller", "API_KEY")

    assert (done.code, done.err) == (1, f"penstock: {sentence}\n")
    assert states(caller)["API_KEY"] == "missing"


def test_a_named_database_needs_a_key_before_anything_is_typed(documented, penstock, tmp_path, monkeypatch, typed):
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'named.sqlite3'}")
    assert penstock("migrate").code == 0
    assert penstock("apps", "import", documented(VARIABLES[:1])).code == 0
    monkeypatch.setattr("sys.stdin", None)

    done = penstock("apps", "env", "set", "Caller", "API_KEY")
    sentence = "PENSTOCK_SECRET_KEY is not set: with DATABASE_URL, every process must be given the key that seals values."
    assert (done.code, done.err) == (1, f"penstock: {sentence}\n")

    monkeypatch.setenv("PENSTOCK_SECRET_KEY", "one")
    typed(b"x")
    assert penstock("apps", "env", "set", "Caller", "API_KEY").code == 0
    assert states(penstock)["API_KEY"] == "set"
    monkeypatch.setenv("PENSTOCK_SECRET_KEY", "two")
    assert states(penstock)["API_KEY"] == "unreadable"


def test_checks_and_imports_name_the_command_for_empty_secrets(penstock, documented):
    path = documented()
    said = (
        f"{path}: warning: the secret environment variable 'API_KEY' has no value, since exports leave it out: "
        "set one by `penstock apps env set APP API_KEY` (workflow.environment_variables[0])\n"
    )

    assert said in penstock("apps", "check", path).out
    assert said in penstock("apps", "import", path).err
    assert "OLD_KEY" not in penstock("apps", "check", path).out


def test_a_key_is_made_by_the_first_value_and_used_by_the_next_process(caller, tmp_path):
    caller("apps", "env", "set", "Caller", "API_KEY", "--value", "x")
    program = (
        "import os; from worker.config import Config; from worker.store.sealing import Sealing; Sealing.find(Config.from_env(os.environ))"
    )

    assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o777 == 0o600
    subprocess.run([sys.executable, "-c", program], env=clean_environment(PENSTOCK_DATA_DIR=str(tmp_path / "data")), check=True)

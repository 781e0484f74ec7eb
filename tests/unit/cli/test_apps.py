import io
import json

import pytest


@pytest.fixture
def greeting(examples):
    return examples / "greeting.yml"


@pytest.fixture
def changed(greeting, tmp_path):
    """The greeting with one text replaced, as a new file."""

    def change(old, new):
        path = tmp_path / "changed.yml"
        path.write_text(greeting.read_text("utf-8").replace(old, new), "utf-8")
        return path

    return change


def test_an_import_gives_an_app_a_version_and_a_key(penstock, greeting):
    done = penstock("apps", "import", greeting, "--json")

    [facts] = done.lines()
    assert done.code == 0
    assert list(facts) == ["file", "app_id", "workflow_id", "api_key", "name"]
    assert facts["name"] == "Greeting"
    assert facts["api_key"].startswith("app-")
    assert penstock("apps", "list").out.split("\t")[:2] == [facts["app_id"], "Greeting"]


def test_a_bad_file_does_not_stop_the_others(penstock, greeting, tmp_path):
    bad = tmp_path / "bad.yml"
    bad.write_text("- no mapping")

    done = penstock("apps", "import", bad, greeting, tmp_path / "missing.yml", "--json")

    first, second, third = done.lines()
    assert done.code == 1
    assert first == {"file": str(bad), "error": "Invalid YAML format: content must be a mapping"}
    assert second["name"] == "Greeting"
    assert third["error"] == "the file cannot be read: No such file or directory"
    assert len(penstock("apps", "list", "--json").lines()) == 1


def test_a_document_that_cannot_run_is_not_stored(penstock, changed):
    done = penstock("apps", "import", changed("type: template-transform", "type: crystal-ball"))

    assert done.code == 1
    assert "'crystal-ball'" in done.err
    assert "node 'Hello' at workflow.graph.nodes[1].data.type" in done.err
    assert penstock("apps", "list").out == ""


def test_a_name_can_be_given_to_one_file(penstock, greeting):
    assert penstock("apps", "import", greeting, "--name", "Mine", "--json").lines()[0]["name"] == "Mine"
    assert penstock("apps", "import", greeting, greeting, "--name", "Mine").code == 2


def test_an_app_without_a_name_is_called_something(penstock, changed):
    assert penstock("apps", "import", changed("  name: Greeting\n", ""), "--json").lines()[0]["name"] == "Untitled"


def test_warnings_go_to_stderr(penstock, changed):
    done = penstock("apps", "import", changed("{source: hello, target: end}", "{source: hello, target: nowhere}"), "--json")

    assert done.code == 0
    assert len(done.lines()) == 1
    assert "warning: " in done.err


def test_publishing_adds_a_version_and_keeps_the_app(penstock, greeting, changed):
    [imported] = penstock("apps", "import", greeting, "--name", "Mine", "--json").lines()
    newer = changed("Hello, ", "Hi, ")

    [published] = penstock("apps", "publish", "Mine", newer, "--json").lines()
    [again] = penstock("apps", "publish", imported["app_id"], newer, "--json").lines()

    assert published["app_id"] == imported["app_id"]
    assert published["is_new"]
    assert again == {**published, "is_new": False}
    assert json.loads(penstock("apps", "show", "Mine", "--json").out)["workflow_id"] == published["workflow_id"]


def test_a_rollback_makes_the_version_before_current_again(penstock, greeting, changed):
    [imported] = penstock("apps", "import", greeting, "--json").lines()
    penstock("apps", "publish", "Greeting", changed("Hello, ", "Hi, "))

    assert penstock("apps", "rollback", "Greeting").code == 0

    newest, first = penstock("apps", "versions", "Greeting", "--json").lines()
    assert first["id"] == imported["workflow_id"]
    assert (newest["is_current"], first["is_current"]) == (False, True)
    assert penstock("apps", "rollback", "Greeting").err == "penstock: Greeting has no version before the current one.\n"
    assert penstock("apps", "rollback", "Greeting", newest["version"]).code == 0
    assert penstock("apps", "rollback", "Greeting", "2001-01-01").code == 1


def test_aliases_are_set_moved_listed_and_removed(penstock, greeting, changed):
    [imported] = penstock("apps", "import", greeting, "--json").lines()
    [published] = penstock("apps", "publish", "Greeting", changed("Hello, ", "Hi, "), "--json").lines()

    assert penstock("apps", "alias", "set", "Greeting", "production", imported["workflow_id"]).code == 0
    told = penstock("apps", "alias", "set", imported["app_id"], "staging")
    assert told.out == f"Greeting: staging is version {published['version']}.\n"
    production, staging = penstock("apps", "alias", "list", "Greeting", "--json").lines()
    assert list(production) == ["name", "workflow_id", "version", "updated_at"]
    assert [(one["name"], one["workflow_id"]) for one in (production, staging)] == [
        ("production", imported["workflow_id"]),
        ("staging", published["workflow_id"]),
    ]
    penstock("apps", "alias", "set", "Greeting", "production", "staging")
    assert penstock("apps", "alias", "list", "Greeting").out.splitlines()[0].split("\t")[:2] == ["production", published["version"]]
    assert penstock("apps", "alias", "remove", "Greeting", "production").code == 0
    assert penstock("apps", "alias", "remove", "Greeting", "production").err == "penstock: The app has no alias 'production'.\n"


@pytest.mark.parametrize(
    ("name", "version", "words"),
    [("Production", "current", "small letter"), ("latest", "current", "choose another"), ("production", "nothing", "no version 'nothing'")],
)
def test_an_alias_that_cannot_be_is_refused(penstock, greeting, name, version, words):
    penstock("apps", "import", greeting)

    done = penstock("apps", "alias", "set", "Greeting", name, version)

    assert (done.code, words in done.err) == (1, True)
    assert penstock("apps", "alias", "list", "Greeting").out == ""


def test_a_rollback_goes_to_an_alias(penstock, greeting, changed):
    [imported] = penstock("apps", "import", greeting, "--json").lines()
    penstock("apps", "alias", "set", "Greeting", "stable")
    penstock("apps", "publish", "Greeting", changed("Hello, ", "Hi, "))

    assert penstock("apps", "rollback", "Greeting", "stable").code == 0
    assert json.loads(penstock("apps", "show", "Greeting", "--json").out)["workflow_id"] == imported["workflow_id"]


def test_a_token_that_opens_an_app_already_is_no_new_key(penstock, greeting):
    [imported] = penstock("apps", "import", greeting, "--json").lines()

    done = penstock("keys", "create", "Greeting", "--token", imported["api_key"])

    assert (done.code, imported["api_key"] in done.err) == (1, False)


def test_deleting_asks_unless_told_not_to(penstock, greeting, monkeypatch):
    penstock("apps", "import", greeting)

    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert penstock("apps", "delete", "Greeting").code == 130
    assert penstock("apps", "delete", "Greeting", "--yes").code == 0
    assert penstock("apps", "list").out == ""
    assert penstock("apps", "delete", "Greeting", "--yes").err == "penstock: There is no app 'Greeting'.\n"


def test_keys_are_made_listed_and_revoked(penstock, greeting):
    [imported] = penstock("apps", "import", greeting, "--json").lines()
    secret = penstock("keys", "create", "Greeting", "--name", "second").out.strip()

    first, second = penstock("keys", "list", "Greeting", "--json").lines()
    assert imported["api_key"].startswith(first["prefix"])
    assert (second["name"], second["revoked_at"]) == ("second", None)
    assert secret not in penstock("keys", "list", "Greeting").out

    assert penstock("keys", "revoke", "Greeting", secret).code == 0
    assert penstock("keys", "list", "Greeting", "--json").lines()[1]["revoked_at"] is not None
    assert penstock("keys", "revoke", "Greeting", "app-nothing").code == 1


def test_a_key_that_clients_have_already_can_be_taken_over(penstock, greeting):
    penstock("apps", "import", greeting)

    assert penstock("keys", "create", "Greeting", "--token", "app-mine").out == "app-mine\n"


def test_a_check_names_every_reason(penstock, greeting, changed, tmp_path):
    broken = changed("type: template-transform", "type: crystal-ball")
    broken.write_text(broken.read_text("utf-8").replace("type: end", "type: oracle"), "utf-8")
    unreadable = tmp_path / "unreadable.yml"
    unreadable.write_text("a: [")

    done = penstock("apps", "check", greeting, broken, unreadable)

    assert done.code == 1
    assert f"{greeting}: ok" in done.out
    assert f"{broken}: error: node type 'crystal-ball' is not supported (node 'Hello' at workflow.graph.nodes[1].data.type)" in done.out
    assert f"{broken}: error: node type 'oracle' is not supported (node 'End' at workflow.graph.nodes[2].data.type)" in done.out
    assert f"{unreadable}: error: not valid YAML" in done.out
    assert penstock("apps", "check", greeting).code == 0


def test_a_check_for_programs_is_a_json_line_a_finding(penstock, greeting, changed):
    broken = changed("type: template-transform", "type: crystal-ball")

    [finding] = penstock("apps", "check", broken, greeting, "--json").lines()

    assert finding["file"] == str(broken)
    assert finding["code"] == "unsupported_node_type"
    assert (finding["node_id"], finding["node_title"]) == ("hello", "Hello")


@pytest.mark.parametrize("name", ["approval.yml", "greeting.yml", "order_desk.yml"])
def test_the_shipped_examples_can_run(penstock, examples, name):
    done = penstock("apps", "check", examples / name)

    assert (done.code, done.out) == (0, f"{examples / name}: ok\n")

import pytest

from tests.unit.cli.conftest import EXAMPLES


@pytest.fixture
def app(penstock):
    """An app with a key; answers the line of its import."""
    (line,) = penstock("apps", "import", EXAMPLES / "greeting.yml", "--name", "Hello", "--json").lines()
    return line


def only(done):
    assert done.code == 0, done.err
    (line,) = done.lines()
    return line


def numbers(line):
    return {name: line[name] for name in ("max_concurrency", "max_rate", "max_burst")}


def test_nothing_is_limited_at_first(penstock, app):
    lines = penstock("limits", "show", "Hello", "--json").lines()

    assert [(line["app_id"], line["key"]) for line in lines] == [(app["app_id"], None), (app["app_id"], app["api_key"][:8])]
    assert [numbers(line) for line in lines] == [{"max_concurrency": 0, "max_rate": 0, "max_burst": 0}] * 2


def test_limits_of_an_app(penstock, app):
    line = only(penstock("limits", "set", "Hello", "--max-concurrency", "7", "--max-rate", "60/min", "--json"))
    again = only(penstock("limits", "set", "Hello", "--max-rate", "30", "--max-burst", "5", "--json"))

    assert numbers(line) == {"max_concurrency": 7, "max_rate": 60, "max_burst": 60}
    assert line["set"] == {"max_concurrency": 7, "max_rate": 60, "max_burst": None}
    assert (line["app"], line["key_id"], line["open_runs"]) == ("Hello", None, 0)
    assert numbers(again) == {"max_concurrency": 7, "max_rate": 30, "max_burst": 5}


def test_limits_of_a_key(penstock, app):
    line = only(penstock("limits", "set", "Hello", "--key", app["api_key"], "--max-concurrency", "1", "--json"))
    everything = penstock("limits", "show", "--json").lines()

    assert (line["key"], line["max_concurrency"]) == (app["api_key"][:8], 1)
    assert [(one["key_id"], one["max_concurrency"]) for one in everything] == [(None, 0), (line["key_id"], 1)]


def test_no_limit_is_something_else_than_the_setting(penstock, app, monkeypatch):
    monkeypatch.setenv("PENSTOCK_APP_MAX_CONCURRENCY", "5")
    monkeypatch.setenv("PENSTOCK_APP_MAX_RATE", "100")
    free = only(penstock("limits", "set", "Hello", "--max-concurrency", "none", "--max-rate", "7", "--json"))
    back = only(penstock("limits", "set", "Hello", "--max-concurrency", "default", "--json"))

    assert (free["max_concurrency"], back["max_concurrency"]) == (0, 5)
    assert penstock("limits", "clear", "Hello").code == 0
    assert numbers(penstock("limits", "show", "--json").lines()[0]) == {"max_concurrency": 5, "max_rate": 100, "max_burst": 100}


def test_the_table_tells_what_is_the_app_s_own(penstock, app, monkeypatch):
    monkeypatch.setenv("PENSTOCK_APP_MAX_RATE", "100")
    penstock("limits", "set", "Hello", "--max-concurrency", "7")

    assert penstock("limits", "show").out == "Hello\t\t7\t(100)\t(100)\t0\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["set", "Hello"], "Name a limit"),
        (["set", "Hello", "--max-rate", "-1"], "'-1' is no limit"),
        (["set", "Hello", "--max-rate", "60/s"], "'60/s' is no limit"),
        (["set", "Hello", "--max-concurrency", "60/min"], "'60/min' is no limit"),
        (["set", "Hello", "--max-concurrency", "2147483648"], "up to 2147483647"),
        (["set", "Hello", "--key", "nope", "--max-rate", "1"], "No key of this app"),
        (["set", "Nope", "--max-rate", "1"], "Nope"),
        (["show", "Nope"], "Nope"),
        (["clear", "Hello", "--key", "nope"], "No key of this app"),
    ],
)
def test_what_cannot_be_is_said(penstock, app, arguments, message):
    done = penstock("limits", *arguments)

    assert done.code != 0
    assert message in done.err
    assert numbers(penstock("limits", "show", "--json").lines()[0]) == {"max_concurrency": 0, "max_rate": 0, "max_burst": 0}

import subprocess
import sys

import click
import pytest
import redis
import sqlalchemy.exc

from app.cli import main as command_line
from app.cli.failures import sentence_of
from app.cli.main import COMMANDS, main
from worker.config import ConfigError
from worker.engine.errors import Finding, GraphError


def ending(arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    assert ending([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: penstock {command}")


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (click.UsageError("wrong"), 2, "wrong"),
        (click.Abort(), 130, "Interrupted."),
        (ConfigError("PENSTOCK_LEASE is 'x', but must be a number."), 1, "PENSTOCK_LEASE is 'x', but must be a number."),
        (GraphError([Finding("a", "one"), Finding("b", "two")]), 1, "one; two"),
        (FileNotFoundError(2, "No such file", "/x"), 1, "/x: No such file"),
        (redis.ConnectionError("refused"), 1, "Redis cannot be reached: refused"),
        (ValueError("a\nb"), 1, "ValueError: a b"),
        (KeyError(), 1, "KeyError: KeyError"),
    ],
)
def test_every_failure_is_one_sentence_and_a_code(error, code, sentence, monkeypatch, capsys):
    @click.command()
    def fail():
        raise error

    monkeypatch.setattr(command_line, "penstock", fail)

    assert ending([]) == code
    assert capsys.readouterr().err == f"penstock: {sentence}\n"


def test_of_a_database_error_the_drivers_words_are_shown():
    error = sqlalchemy.exc.IntegrityError("INSERT INTO apps ...", {"secret": 1}, Exception("UNIQUE constraint failed"))

    assert sentence_of(error) == "The database cannot be used: UNIQUE constraint failed"


def test_wrong_usage_is_refused(capsys):
    assert ending(["nosuch"]) == 2
    assert capsys.readouterr().err == "penstock: No such command 'nosuch'.\n"


@pytest.mark.parametrize("variables", [{"PENSTOCK_LEASE": "soon"}])
def test_a_wrong_setting_is_named(variables, monkeypatch, capsys):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert ending(["apps", "list"]) == 1
    assert "PENSTOCK_LEASE is 'soon'" in capsys.readouterr().err


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "app.cli", "--version"], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("penstock, version ")

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import app
from app.cli import serve
from worker.config import Config, ConfigError
from worker.store.errors import SchemaError
from worker.store.migrate import upgrade

ROOT = Path(app.__file__).parent.parent


def test_the_api_runs_under_gunicorn_with_the_shipped_configuration():
    argv = serve.web_arguments("fd://3")

    assert argv[:3] == [sys.executable, "-m", "gunicorn"]
    assert argv[argv.index("--config") + 1] == str(ROOT / "deploy" / "gunicorn.conf.py")
    assert argv[argv.index("--bind") + 1] == "fd://3"


def test_an_installed_distribution_carries_its_own_copy_of_the_configuration(tmp_path, monkeypatch):
    monkeypatch.setattr(app, "__file__", str(tmp_path / "lib" / "app" / "__init__.py"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(ConfigError, match=r"gunicorn\.conf\.py is neither in"):
        serve.gunicorn_config()

    (tmp_path / "share" / "penstock").mkdir(parents=True)
    (tmp_path / "share" / "penstock" / "gunicorn.conf.py").touch()
    assert serve.gunicorn_config() == tmp_path / "share" / "penstock" / "gunicorn.conf.py"


@pytest.mark.parametrize(("host", "text"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("localhost", "localhost")])
def test_addresses_with_colons_are_bracketed(host, text):
    assert serve.bracketed(host) == text


@pytest.mark.parametrize("command", ["web", "worker"])
def test_processes_that_need_redis_say_so(penstock, command):
    assert penstock(command).err.startswith("penstock: REDIS_URL is not set")


@pytest.mark.parametrize("command", ["web", "worker", "migrate"])
def test_on_a_dyno_the_default_database_is_refused(penstock, command, monkeypatch):
    monkeypatch.setenv("DYNO", "web.1")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")

    assert penstock(command).err.startswith("penstock: DATABASE_URL is not set")


def config_of(tmp_path):
    return Config(database_url=f"sqlite:///{tmp_path / 'test.sqlite3'}")


def test_a_process_that_comes_too_early_waits_for_the_migration(tmp_path, capsys):
    config = config_of(tmp_path)
    migration = threading.Timer(0.3, upgrade, [config])
    migration.start()

    serve._wait_for_schema(config)

    migration.join()
    assert "penstock: Waiting: The database has no tables yet" in capsys.readouterr().err


def test_it_does_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(serve, "SCHEMA_WAIT_S", 0.0)

    with pytest.raises(SchemaError, match="no tables yet"):
        serve._wait_for_schema(config_of(tmp_path))


def migration(tmp_path, **env):
    environ = {**os.environ, "PENSTOCK_DATA_DIR": str(tmp_path), **env}
    environ.pop("DATABASE_URL", None)
    return subprocess.Popen([sys.executable, "-u", "-m", "app.cli", "migrate"], stdout=subprocess.PIPE, text=True, env=environ)


def test_a_migration_ends_and_may_be_repeated(tmp_path):
    for _ in range(2):
        with migration(tmp_path) as process:
            assert process.stdout.read() == "The database is up to date.\n"
        assert process.returncode == 0


@pytest.mark.parametrize("variable", ["HONCHO_PROCESS_NAME", "PS"])
def test_under_a_runner_that_ends_all_with_one_the_migration_stays(tmp_path, variable):
    with migration(tmp_path, **{variable: "release.1"}) as process:
        assert process.stdout.readline() == "The database is up to date.\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, -signal.SIGTERM)

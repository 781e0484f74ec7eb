import os
import stat
import subprocess
from pathlib import Path

import pytest
import redis

from app.cli import valkey
from worker.broker import broker_url
from worker.config import ConfigError


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    started = []

    def start():
        argv = valkey.server_arguments(valkey.find_server(), folder, folder / "v.sock")
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        started.append(process)
        assert valkey.wait_until_answering(folder / "v.sock", 10.0, lambda: process.poll() is None)
        return process

    start.folder = folder
    yield start
    for process in started:
        process.kill()
        process.wait()


def connect(server):
    return redis.Redis.from_url(valkey.socket_url(server.folder / "v.sock"))


def test_what_was_written_survives_a_kill(server):
    first = server()
    with connect(server) as client:
        client.set("a", "1")
        client.execute_command("WAITAOF", 1, 0, 2000)
    first.kill()
    first.wait()

    server()
    with connect(server) as client:
        assert client.get("a") == b"1"


def test_it_listens_on_a_private_socket_and_no_port(server):
    process = server()

    assert stat.S_IMODE((server.folder / "v.sock").stat().st_mode) == 0o700
    with connect(server) as client:
        assert client.config_get("port")["port"] == "0"
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert client.config_get("appendfsync")["appendfsync"] == "everysec"
    process.terminate()
    assert process.wait(10) == 0


def test_the_address_works_for_the_broker_too(server):
    from kombu import Connection

    server()
    with Connection(broker_url(valkey.socket_url(server.folder / "v.sock"))) as connection:
        connection.ensure_connection(max_retries=1)


def test_a_server_that_does_not_start_is_not_waited_for(tmp_path):
    assert not valkey.wait_until_answering(tmp_path / "none.sock", 60.0, lambda: False)


def test_servers_of_the_path_come_first(tmp_path, monkeypatch):
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert valkey.find_server() == str(tmp_path / "valkey-server")

    (tmp_path / "valkey-server").unlink()
    assert valkey.find_server() == str(tmp_path / "redis-server")


def test_without_a_server_of_the_path_the_wheels_binary_serves(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert Path(valkey.find_server()).parts[-3] == "_binaries"
    assert os.access(valkey.find_server(), os.X_OK)


def test_without_any_server_one_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(ConfigError, match="No Redis was found: set REDIS_URL"):
        valkey.find_server()


def test_a_long_folder_name_moves_the_socket_to_a_private_place(tmp_path):
    short, long = tmp_path / "s", tmp_path / ("x" * 120)

    assert valkey.socket_path(Path("/srv/data")) == Path("/srv/data/valkey/valkey.sock")
    elsewhere = valkey.socket_path(long)
    assert long not in elsewhere.parents
    assert short not in elsewhere.parents
    assert stat.S_IMODE(elsewhere.parent.stat().st_mode) == 0o700
    elsewhere.parent.rmdir()


def test_a_folder_has_one_server_at_a_time(tmp_path):
    held = valkey.lock_folder(tmp_path / "v", 0.0)
    with subprocess.Popen(["sleep", "600"], pass_fds=(held,)) as server:
        os.close(held)
        with pytest.raises(ConfigError, match="Another Valkey still uses"):
            valkey.lock_folder(tmp_path / "v", 0.1)
        server.kill()

    os.close(valkey.lock_folder(tmp_path / "v", 5.0))

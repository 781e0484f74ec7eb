import os
import stat
from pathlib import Path

import pytest

from app.cli.settings import UpState, load_config, read_state, remove_state, require_kept_database, require_redis, write_state
from worker.config import Config, ConfigError

GONE_PID = 2**22 - 1


def test_the_option_wins_over_the_variable_and_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert load_config({"PENSTOCK_DATA_DIR": "/elsewhere"}, Path("here")).data_dir == tmp_path / "here"
    assert load_config({"PENSTOCK_DATA_DIR": "there"}, None).data_dir == tmp_path / "there"
    assert load_config({}, None).data_dir == tmp_path / "penstock-data"


def test_commands_find_the_redis_of_a_running_up(tmp_path):
    write_state(tmp_path, UpState(os.getpid(), "http://127.0.0.1:1", "unix:///x.sock"))

    assert load_config({}, tmp_path).redis_url == "unix:///x.sock"
    assert load_config({"REDIS_URL": "redis://mine"}, tmp_path).redis_url == "redis://mine"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', f'{{"pid": {GONE_PID}, "url": "", "redis_url": "redis://gone"}}'])
def test_what_a_dead_or_broken_up_left_behind_is_ignored(tmp_path, content):
    (tmp_path / "up.json").write_text(content)

    assert read_state(tmp_path) is None
    assert load_config({}, tmp_path).redis_url == ""


def test_the_state_is_readable_by_its_owner_only_and_can_be_removed_twice(tmp_path):
    write_state(tmp_path, UpState(os.getpid(), "http://127.0.0.1:1", "unix:///x.sock"))
    assert stat.S_IMODE((tmp_path / "up.json").stat().st_mode) == 0o600

    remove_state(tmp_path)
    remove_state(tmp_path)
    assert read_state(tmp_path) is None


def test_a_command_that_needs_redis_says_where_it_looked(tmp_path):
    with pytest.raises(ConfigError, match=r"REDIS_URL is not set, and no `penstock up` runs with the data folder"):
        require_redis(Config(data_dir=tmp_path))


def test_the_default_database_is_refused_where_disks_are_lost():
    with pytest.raises(ConfigError, match="add a PostgreSQL database"):
        require_kept_database(Config(), {"DYNO": "web.1"})

    assert require_kept_database(Config(), {})
    assert require_kept_database(Config(database_url="sqlite:////kept.sqlite3"), {"DYNO": "web.1"})

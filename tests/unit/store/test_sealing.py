import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.config import Config
from worker.store.errors import SealError
from worker.store.sealing import KEY_FILE, Sealing

APP = "11111111-1111-4111-8111-111111111111"
OTHER_APP = "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def sealing():
    return Sealing(b"a key")


@pytest.mark.parametrize("text", ["sk-1", "", "ü\n🤖", "x" * 200_000])
def test_what_was_sealed_opens_again(sealing, text):
    assert sealing.open(APP, "KEY", sealing.seal(APP, "KEY", text)) == text


def test_a_sealed_value_shows_nothing_and_is_another_one_each_time(sealing):
    first, second = sealing.seal(APP, "KEY", "canary-canary"), sealing.seal(APP, "KEY", "canary-canary")

    assert first != second
    assert b"canary" not in first + second
    assert (first[0], len(first)) == (1, 1 + 12 + len("canary-canary") + 16)


@pytest.mark.parametrize(
    "opening",
    [
        lambda sealed: Sealing(b"another key").open(APP, "KEY", sealed),
        lambda sealed: Sealing(b"a key").open(OTHER_APP, "KEY", sealed),
        lambda sealed: Sealing(b"a key").open(APP, "OTHER", sealed),
        lambda sealed: Sealing(b"a key").open(APP, "KEY", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        lambda sealed: Sealing(b"a key").open(APP, "KEY", sealed[:9]),
    ],
    ids=["key", "app", "name", "changed", "cut"],
)
def test_nothing_else_opens_it(sealing, opening):
    with pytest.raises(SealError, match=r"^The value of the environment variable '\w+' was sealed with another PENSTOCK_SECRET_KEY\.$"):
        opening(sealing.seal(APP, "KEY", "canary"))


def test_a_format_of_a_later_release_is_said_to_be_one(sealing):
    with pytest.raises(SealError, match="'KEY' was sealed by a later release"):
        sealing.open(APP, "KEY", b"\x02" + sealing.seal(APP, "KEY", "x")[1:])


@pytest.mark.parametrize("config", [Config(secret_key="set"), Config(secret_key="set", database_url="postgresql://x")])
def test_the_setting_is_the_key_wherever_the_database_is(config):
    assert Sealing.find(config).open(APP, "K", Sealing.provide(config).seal(APP, "K", "x")) == "x"
    assert Sealing(b"set").open(APP, "K", Sealing.find(config).seal(APP, "K", "x")) == "x"


@pytest.mark.parametrize("url", ["postgresql://db/penstock", "sqlite:////srv/penstock.sqlite3"])
def test_a_named_database_needs_the_setting(tmp_path, url):
    config = Config(data_dir=tmp_path, database_url=url)

    with pytest.raises(SealError, match="PENSTOCK_SECRET_KEY is not set: with DATABASE_URL,"):
        Sealing.provide(config)
    with pytest.raises(SealError, match="cannot be opened: PENSTOCK_SECRET_KEY is not set"):
        Sealing.find(config)
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_default_makes_a_key_of_its_own_once(tmp_path):
    config = Config(data_dir=tmp_path)
    with pytest.raises(SealError, match=r"the data folder has no key in secret\.key"):
        Sealing.find(config)

    sealed = Sealing.provide(config).seal(APP, "KEY", "x")
    made = (tmp_path / KEY_FILE).read_bytes()

    assert Sealing.find(config).open(APP, "KEY", sealed) == "x"
    assert Sealing.provide(config).open(APP, "KEY", sealed) == "x"
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert (len(made), (tmp_path / KEY_FILE).read_bytes()) == (65, made)
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_processes_that_make_a_key_together_agree_on_one(tmp_path):
    gun = threading.Barrier(8)

    def seal(number):
        gun.wait(timeout=10)
        return Sealing.provide(Config(data_dir=tmp_path)).seal(APP, "KEY", str(number))

    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(seal, range(8)))

    kept = Sealing.find(Config(data_dir=tmp_path))
    assert [kept.open(APP, "KEY", value) for value in sealed] == [str(number) for number in range(8)]


def test_an_empty_key_file_is_no_key(tmp_path):
    (tmp_path / KEY_FILE).write_text("\n")

    with pytest.raises(SealError, match="has no key"):
        Sealing.provide(Config(data_dir=tmp_path))


def test_a_key_file_that_cannot_be_read_or_made_is_said_in_a_sentence(tmp_path):
    (tmp_path / KEY_FILE).mkdir()

    with pytest.raises(SealError, match=r"The file secret\.key of the data folder cannot be read: Is a directory\."):
        Sealing.find(Config(data_dir=tmp_path))
    with pytest.raises(SealError, match=r"The file secret\.key of the data folder cannot be made: No such file or directory\."):
        Sealing.provide(Config(data_dir=tmp_path / "missing"))


def test_processes_that_seal_nothing_do_not_load_the_library():
    program = "import sys, worker.tasks, worker.store.sealing, app.cli.app_environment; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"

"""The services that tests stand on do what their names say."""

import psycopg
import redis

from tests.services.postgres import Postgres, wheel_binaries, wheel_package
from tests.services.valkey import Valkey


def test_a_killed_valkey_with_persistence_comes_back_with_its_data():
    with Valkey(persistent=True) as server, server.client() as client:
        client.set("kept", "yes")
        client.execute_command("WAITAOF", 1, 0, 5000)

        server.kill()
        server.start()

        assert client.get("kept") == b"yes"


def test_a_valkey_without_persistence_comes_back_empty():
    with Valkey() as server, server.client() as client:
        client.set("lost", "yes")

        server.restart()

        assert client.get("lost") is None


def test_a_paused_valkey_answers_after_it_is_resumed():
    with Valkey() as server, server.client() as client, redis.Redis.from_url(server.url, socket_timeout=0.2) as impatient:
        server.pause()
        answered = True
        try:
            impatient.ping()
        except redis.TimeoutError:
            answered = False
        server.resume()

        assert not answered
        assert client.ping()


def test_every_test_gets_an_empty_redis(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_a_database_is_empty_and_outlives_a_crash_of_its_server():
    with Postgres() as server:
        url = server.create_database()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept (n integer)")
            connection.commit()

        server.crash()
        server.start()

        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_the_wheel_brings_a_postgres_for_machines_without_one(monkeypatch):
    monkeypatch.setattr("tests.services.postgres.installed_binaries", lambda: None)

    with Postgres() as server, psycopg.connect(server.create_database()) as connection:
        assert server.binaries == wheel_binaries(wheel_package())
        assert connection.execute("SELECT 1").fetchone() == (1,)

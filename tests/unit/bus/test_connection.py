import pytest
import redis

from worker.bus.connection import connect
from worker.config import Config, ConfigError


def options(url: str) -> dict[str, object]:
    with connect(Config(redis_url=url)) as client:
        return client.connection_pool.connection_kwargs


@pytest.mark.parametrize("url", ["redis://:secret@host:7000/2", "rediss://host/0?ssl_cert_reqs=none", "unix:///run/redis.sock?db=1"])
def test_every_kind_of_address_gets_the_same_limits(url: str) -> None:
    found = options(url)
    assert (found["socket_timeout"], found["socket_connect_timeout"], found["health_check_interval"]) == (5.0, 3.0, 10)


def test_tls_addresses_make_tls_connections() -> None:
    with connect(Config(redis_url="rediss://host/0")) as client:
        assert issubclass(client.connection_pool.connection_class, redis.SSLConnection)


@pytest.mark.parametrize("url", ["", "http://host", "redis://host:port"])
def test_an_address_that_cannot_be_used_names_the_setting(url: str) -> None:
    with pytest.raises(ConfigError, match="REDIS_URL"):
        connect(Config(redis_url=url))

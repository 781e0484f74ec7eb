import sys

import pytest
from kombu import Connection

from worker.broker import QUEUES, broker_url, celery_settings, worker_arguments
from worker.config import Config, ConfigError

CONFIG = Config(redis_url="redis://host:7000/2", redis_prefix="mine:")


@pytest.mark.parametrize(
    ("redis_url", "kombu_url"),
    [
        ("redis://:pass%2Fword@host:7000/2", "redis://:pass%2Fword@host:7000/2"),
        ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("rediss://host/0?ssl_cert_reqs=none", "rediss://host/0?ssl_cert_reqs=none"),
    ],
)
def test_addresses_are_spelled_as_kombu_wants_them(redis_url: str, kombu_url: str) -> None:
    assert broker_url(redis_url) == kombu_url


def test_tls_is_checked_unless_somebody_says_otherwise() -> None:
    with Connection(broker_url("rediss://host/0")) as connection:
        assert connection.ssl["ssl_cert_reqs"].name == "CERT_REQUIRED"


def test_a_missing_address_names_the_setting() -> None:
    with pytest.raises(ConfigError, match="REDIS_URL"):
        celery_settings(Config())


def test_runs_that_somebody_waits_for_come_before_those_of_batches() -> None:
    arguments = worker_arguments(CONFIG)

    assert arguments[arguments.index("--queues") + 1] == "interactive,batch"
    assert celery_settings(CONFIG)["broker_transport_options"]["queue_order_strategy"] == "priority"


def test_recovery_is_left_to_the_lease() -> None:
    settings = celery_settings(CONFIG)
    assert (settings["task_acks_late"], settings["task_reject_on_worker_lost"]) == (False, False)
    assert (settings["worker_prefetch_multiplier"], settings["worker_disable_prefetch"]) == (1, True)
    assert settings["broker_transport_options"]["global_keyprefix"] == "mine:"
    assert [(queue.name, queue.no_ack) for queue in settings["task_queues"]] == [(name, True) for name in QUEUES]


def test_the_worker_is_a_fresh_interpreter_with_the_configured_pool() -> None:
    arguments = worker_arguments(Config(redis_url="redis://host", worker_pool="gevent", worker_concurrency=7))
    assert arguments[0] == sys.executable
    assert "celery" in arguments
    assert "gevent" in arguments
    assert arguments[arguments.index("--concurrency") + 1] == "7"


def test_a_pool_that_forks_is_refused() -> None:
    with pytest.raises(ConfigError, match="PENSTOCK_WORKER_POOL"):
        worker_arguments(Config(redis_url="redis://host", worker_pool="prefork"))

"""Celery as both processes configure it (reliability.md section 2.1): the message is a hint, recovery is the lease's business."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from kombu import Exchange, Queue

from worker.config import Config, ConfigError

#: Queue of runs that somebody waits for.
QUEUE = "interactive"

#: Queue of runs that batches have begun: workers look into it when the other one is empty.
BATCH_QUEUE = "batch"

#: In the order in which workers look into them.
QUEUES = (QUEUE, BATCH_QUEUE)

#: Name of the task that executes a run; its only argument is the run id, its task id that of the run.
TASK = "worker.tasks.run_workflow"

#: Pools that execute many runs in one process and do not fork, so that heartbeat, stop and drain reach every run.
POOLS = ("threads", "gevent")


def celery_settings(config: Config) -> dict[str, Any]:
    """Settings of the Celery app. Raises ``ConfigError`` if there is no broker."""
    return {
        "broker_url": broker_url(config.redis_url),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": {
            # The order of ``QUEUES``, and not each of them in turn.
            "queue_order_strategy": "priority",
            "health_check_interval": 10,
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "global_keyprefix": config.redis_prefix,
        },
        "task_default_queue": QUEUE,
        # Whoever receives a message has it for good: to keep a list of those in flight would cost two round trips for each.
        "task_queues": [Queue(name, Exchange(name), routing_key=name, no_ack=True) for name in QUEUES],
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_default_delivery_mode": 2,
        "task_ignore_result": True,
        # The lease in SQL finds a dead worker, not a visibility timeout (P1 to P4).
        "task_acks_late": False,
        "task_reject_on_worker_lost": False,
        # A sender has a sweeper behind it: rather answer soon than try for long (P12).
        "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_send_task_events": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
    }


def broker_url(redis_url: str) -> str:
    """A Redis address as kombu spells it: Unix sockets have a scheme of their own, and TLS is not checked unless one says so."""
    if not redis_url:
        raise ConfigError("REDIS_URL is empty, but must be the address of a Redis or Valkey server.")
    parts = urlsplit(redis_url)
    options = dict(parse_qsl(parts.query))
    if parts.scheme == "unix":
        return _socket_url(redis_url, options)
    if parts.scheme == "rediss":
        options.setdefault("ssl_cert_reqs", "required")
    return urlunsplit(parts._replace(query=urlencode(options)))


def _socket_url(redis_url: str, options: dict[str, str]) -> str:
    address = redis_url.removeprefix("unix://").partition("?")[0]
    return f"redis+socket://{address}?{urlencode({'virtual_host': options.get('db', '0')})}"


def worker_arguments(config: Config) -> list[str]:
    """The command that starts a worker process, Python first.

    A fresh interpreter, because the gevent pool must patch the standard library before anything else is imported. Raises
    ``ConfigError`` for another pool.
    """
    if config.worker_pool not in POOLS:
        raise ConfigError(f"PENSTOCK_WORKER_POOL is {config.worker_pool!r}, but must be one of {', '.join(POOLS)}.")
    return [
        # Its advice against running as root is about pickled messages, which are not accepted here; in containers root is usual.
        *(sys.executable, "-W", "ignore:You're running the worker with superuser privileges"),
        *("-m", "celery", "--app", "worker.celery", "--quiet", "worker"),
        *("--pool", config.worker_pool, "--concurrency", str(config.worker_concurrency), "--queues", ",".join(QUEUES)),
        # No chatter between workers: none of them needs to know the others, and it delays the start (P21).
        *("--without-mingle", "--without-gossip", "--without-heartbeat"),
        *("--loglevel", "INFO"),
    ]

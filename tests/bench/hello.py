"""The yardstick: a Flask view that does nothing but wait for a Celery task that does nothing, with the settings of the product.

`gunicorn -c deploy/gunicorn.conf.py tests.bench.hello:flask` and `celery -A tests.bench.hello:celery worker ...` serve it;
`python -m tests.bench.hello SECONDS TASKS` measures bare Celery from a plain process.
"""

from __future__ import annotations

import json
import os
import sys
import time

from celery import Celery
from flask import Flask

from worker.broker import celery_settings
from worker.config import Config

config = Config.from_env(os.environ)
celery = Celery("hello", set_as_current=False)
# The product has no use for results; here they are the answer.
celery.conf.update(celery_settings(config), result_backend=config.redis_url, task_ignore_result=False)
flask = Flask("hello")


@celery.task(name="noop")
def noop() -> None:
    """Nothing."""


@flask.get("/")
def hello() -> str:
    noop.delay().get(timeout=60)
    return "hello"


def round_trips_ms(seconds: float) -> list[float]:
    """How long each ``delay().get()`` took, one after another."""
    taken: list[float] = []
    end = time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        noop.delay().get(timeout=60)
        taken.append(1000 * (time.monotonic() - begun))
    return taken


def tasks_per_s(count: int) -> float:
    """Tasks that a worker completes a second, from a queue that is full when it begins: ``count`` sent, then the last is waited for."""
    begun = time.monotonic()
    for _ in range(count - 1):
        noop.apply_async(ignore_result=True)
    # What is first in the queue is taken first.
    noop.delay().get(timeout=120)
    return count / (time.monotonic() - begun)


if __name__ == "__main__":
    noop.delay().get(timeout=60)
    print(json.dumps({"round_trips_ms": round_trips_ms(float(sys.argv[1])), "tasks_per_s": tasks_per_s(int(sys.argv[2]))}))

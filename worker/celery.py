"""The Celery app of the workers."""

import os

from celery import Celery

from worker.broker import celery_settings
from worker.config import Config
from worker.lifecycle import WorkerStep

app = Celery("penstock", include=["worker.tasks"])
app.conf.update(celery_settings(Config.from_env(os.environ)))
app.steps["worker"].add(WorkerStep)

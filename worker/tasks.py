"""Celery entry points: unpack, hand over."""

from __future__ import annotations

from celery import Task, shared_task
from celery.worker.request import Request

from worker.broker import TASK


class ReceivedRequest(Request):
    """A message that nobody acknowledges (broker.py): Celery would wake its loop for every one of them."""

    def acknowledge(self) -> None:
        self.acknowledged = True


class RunTask(Task):
    Request = ReceivedRequest


@shared_task(bind=True, base=RunTask, name=TASK, ignore_result=True)
def run_workflow(self: Task, run_id: str) -> None:
    """Execute a run; the task's id is the run's ``task_id``."""
    queue = (self.request.delivery_info or {}).get("routing_key")
    self.app.run_service.execute(run_id, self.request.id, queue)

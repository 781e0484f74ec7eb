"""Celery entry points: unpack, hand over."""

from __future__ import annotations

from celery import Task, shared_task

from worker.broker import TASK


@shared_task(bind=True, name=TASK, ignore_result=True)
def run_workflow(self: Task, run_id: str) -> None:
    """Execute a run; the task's id is the run's ``task_id``."""
    self.app.run_service.execute(run_id, self.request.id)

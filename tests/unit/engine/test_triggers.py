from __future__ import annotations

from typing import Any

import pytest

from worker.engine.triggers import SCHEDULE_TRIGGER, WEBHOOK_TRIGGER, Written, trigger_nodes, written_schedule


def visual(frequency: str, **settings: Any) -> dict[str, Any]:
    return {"mode": "visual", "frequency": frequency, "visual_config": settings}


@pytest.mark.parametrize(
    ("data", "cron"),
    [
        ({}, "0 0 * * *"),
        ({"visual_config": None, "frequency": None}, "0 0 * * *"),
        (visual("hourly", on_minute=25), "25 * * * *"),
        (visual("daily", time="2:30 PM"), "30 14 * * *"),
        (visual("daily", time="12:05 AM"), "5 0 * * *"),
        (visual("daily", time="12:05 pm"), "5 12 * * *"),
        (visual("daily", time="23:59"), "59 23 * * *"),
        (visual("weekly", time="9:00 AM", weekdays=["fri", "mon"]), "0 9 * * 1,5"),
        (visual("weekly", time="9:00 AM"), "0 9 * * 0"),
        (visual("monthly", time="9:00 AM", monthly_days=[15, 1, "last"]), "0 9 1,15,L * *"),
        (visual("monthly", monthly_days=["last"]), "0 0 L * *"),
        ({"mode": "cron", "cron_expression": " 0 9 * * 1 "}, "0 9 * * 1"),
    ],
)
def test_every_form_of_a_schedule_is_a_cron_expression(data: dict[str, Any], cron: str) -> None:
    assert written_schedule(data) == Written(cron, "UTC")
    assert written_schedule({**data, "timezone": "Asia/Tokyo"}) == Written(cron, "Asia/Tokyo")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"mode": "cron"}, "cron_expression"),
        (visual("yearly"), "frequency"),
        (visual("hourly", on_minute=60), "on_minute"),
        (visual("hourly", on_minute=True), "on_minute"),
        (visual("daily", time="13:00 PM"), "time"),
        (visual("daily", time="25:00"), "time"),
        (visual("daily", time=900), "time"),
        (visual("weekly", weekdays=["someday"]), "weekdays"),
        (visual("weekly", weekdays="mon"), "weekdays"),
        (visual("monthly", monthly_days=[0]), "monthly_days"),
        (visual("monthly", monthly_days=["first"]), "monthly_days"),
        ({"timezone": ["UTC"]}, "timezone"),
    ],
)
def test_what_cannot_be_a_schedule_is_named(data: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        written_schedule(data)


def test_trigger_nodes_are_found_by_their_type() -> None:
    nodes = [
        {"id": 17, "data": {"type": SCHEDULE_TRIGGER, "title": "Nightly"}},
        {"id": "hook", "data": {"type": WEBHOOK_TRIGGER}},
        {"id": "", "data": {"type": SCHEDULE_TRIGGER}},
        {"data": None},
        "note",
    ]
    document = {"workflow": {"graph": {"nodes": nodes}}}

    assert [(node.id, node.title) for node in trigger_nodes(document, SCHEDULE_TRIGGER)] == [("17", "Nightly")]
    assert [(node.id, node.title) for node in trigger_nodes(document, WEBHOOK_TRIGGER)] == [("hook", "hook")]


@pytest.mark.parametrize("document", [None, [], {}, {"workflow": {"graph": {"nodes": "none"}}}])
def test_a_document_that_cannot_be_read_has_no_triggers(document: Any) -> None:
    assert trigger_nodes(document, SCHEDULE_TRIGGER) == []

"""What operators page through."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.store.world import World
from worker.engine.events import RunStatus
from worker.store import apps, keys, listings
from worker.store.listings import Keys, Page, RunFilter
from worker.store.overview import read_overview
from worker.store.session import Database


def pages(read: Callable[[Keys | None], Page[Any]]) -> list[list[Any]]:
    """All pages of a list."""
    after, found = None, []
    while True:
        page = read(after)
        found.append(page.items)
        if page.next is None:
            return found
        after = page.next


def run_pages(database: Database, wanted: RunFilter, limit: int) -> list[list[str]]:
    with database.read() as session:
        found = pages(lambda after: listings.page_runs(session, wanted, after, limit))
    return [[row.run_id for row in page] for page in found]


def test_apps_are_paged_by_name_and_those_of_one_name_by_id(database: Database) -> None:
    for name in ("b", "a", "b", "C%", "ä"):
        World(database, name)

    with database.read() as session:
        found = pages(lambda after: listings.page_apps(session, after, 2))
        whole = listings.page_apps(session, None, 100)
        [matching] = pages(lambda after: listings.page_apps(session, after, 2, "c%"))

    assert [len(page) for page in found] == [2, 2, 1]
    assert [app.id for page in found for app in page] == [app.id for app in whole.items]
    assert [app.name for app in matching] == ["C%"]


def test_versions_and_keys_are_paged(world: World) -> None:
    with world.database.begin() as session:
        for number in range(4):
            apps.publish(session, world.app_id, {}, str(number))
            keys.create_key(session, world.app_id, str(number))

    with world.database.read() as session:
        versions = pages(lambda after: listings.page_versions(session, world.app_id, after, 2))
        listed = pages(lambda after: listings.page_keys(session, world.app_id, after, 3))
        in_order = [version.id for version in apps.list_versions(session, world.app_id)]

    assert [version.id for page in versions for version in page] == in_order
    assert sorted(key.name for page in listed for key in page) == ["0", "1", "2", "3"]


def test_runs_of_all_apps_are_paged_newest_first(world: World, database: Database) -> None:
    other = World(database, "Other")
    accepted = [(world, other)[number % 2].accept().run_id for number in range(5)]

    found = run_pages(database, RunFilter(), 2)

    assert [len(page) for page in found] == [2, 2, 1]
    assert {run_id for page in found for run_id in page} == set(accepted)
    assert {run_id for page in run_pages(database, RunFilter(app_id=other.app_id), 1) for run_id in page} == set(accepted[1::2])


def test_runs_are_filtered(world: World, database: Database) -> None:
    waiting = world.accept().run_id
    done = world.start()
    world.finish(done)
    created_at = world.row(done.run_id).created_at

    assert run_pages(database, RunFilter(status=RunStatus.SCHEDULED), 5) == [[waiting]]
    assert run_pages(database, RunFilter(status=RunStatus.SUCCEEDED, user="ada"), 5) == [[done.run_id]]
    assert run_pages(database, RunFilter(user="nobody\0"), 5) == [[]]
    assert run_pages(database, RunFilter(created_before=created_at - 3600), 5) == [[]]
    assert run_pages(database, RunFilter(created_after=created_at, created_before=created_at, status=RunStatus.SUCCEEDED), 5) == [
        [done.run_id]
    ]


def test_a_filter_that_fits_few_of_many_runs_reads_a_part_of_them_a_page(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = world.start()
    world.finish(done)
    for _ in range(6):
        world.accept()
    monkeypatch.setattr(listings, "SCANNED", 3)

    found = run_pages(database, RunFilter(status=RunStatus.SUCCEEDED), 5)

    assert [run_id for page in found for run_id in page] == [done.run_id]
    assert len(found) == 3


def test_the_overview_counts(world: World, database: Database) -> None:
    world.accept()
    world.start(owner="a")
    world.start(owner="b")
    world.start(owner="dead", lease_s=-1)
    world.finish(world.start(), finished_at=time.time())
    with database.begin() as session:
        keys.create_key(session, world.app_id)

    with database.read() as session:
        seen = read_overview(session)

    assert (seen.apps, seen.keys) == (1, 1)
    assert seen.unfinished == {"scheduled": 1, "running": 3}
    assert seen.ended_lately == {"succeeded": 1}
    assert seen.workers_with_runs == 2
    assert seen.oldest_wait_s is not None
    assert not seen.has_sweeper
    assert not seen.is_capped

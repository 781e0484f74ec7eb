"""The log of runs (api-contract.md section 2.8)."""

from typing import Any

import pytest

from tests.contract.store.world import World, finished
from worker.engine.events import RunStatus
from worker.store import claims
from worker.store.end_users import ensure_end_user
from worker.store.logs import LogPage, LogQuery, query_logs
from worker.store.session import Database


def logs(world: World, **query: Any) -> LogPage:
    with world.database.read() as session:
        return query_logs(session, LogQuery(world.app_id, **query))


def found(world: World, **query: Any) -> list[str]:
    page = logs(world, **query)
    assert page.total == len(page.entries)
    return [entry.run_id for entry in page.entries]


def end_with(world: World, outputs: dict[str, Any], status: RunStatus = RunStatus.SUCCEEDED, **changes: Any) -> str:
    claim = world.start(**changes)
    with world.database.begin() as session:
        claims.finish_run(session, claim.run_id, claim.attempt, finished(status), outputs, [], None)
    return claim.run_id


def date(world: World, run_id: str, created_at: float) -> None:
    with world.database.begin() as session:
        statement = f"UPDATE runs SET created_at = {created_at} WHERE id = '{run_id}'"
        session.connection().exec_driver_sql(statement)


def test_an_entry_shows_run_and_end_user(world: World) -> None:
    run_id = end_with(world, {}, RunStatus.PARTIAL_SUCCEEDED)

    (entry,) = logs(world).entries

    assert (entry.run_id, entry.app_id, entry.workflow_version) == (run_id, world.app_id, world.version)
    assert (entry.status, entry.triggered_from, entry.error) == (RunStatus.PARTIAL_SUCCEEDED, "app-run", None)
    assert (entry.elapsed_time, entry.total_tokens, entry.total_steps, entry.exceptions_count) == (1.5, 7, 3, 1)
    assert (entry.finished_at, entry.end_user_id, entry.session_id) == (101.5, world.end_user_id, "ada")
    assert entry.is_anonymous is False
    assert entry.log_id not in (run_id, "")
    assert entry.log_id == logs(world).entries[0].log_id


def test_a_run_is_logged_from_its_start_and_never_as_scheduled(world: World) -> None:
    world.accept()

    assert [entry.status for entry in logs(world).entries] == [RunStatus.RUNNING]


def test_pages_go_from_new_to_old_and_never_overlap(world: World) -> None:
    ids = [world.accept().run_id for _ in range(5)]
    for run_id in ids:
        date(world, run_id, 1000.0)
    newest = world.accept().run_id

    pages = [logs(world, page=page, limit=2) for page in (1, 2, 3, 4)]

    assert [entry.run_id for page in pages for entry in page.entries] == [newest, *sorted(ids, reverse=True)]
    assert [(page.total, len(page.entries)) for page in pages] == [(6, 2), (6, 2), (6, 2), (6, 0)]


def test_runs_of_other_apps_are_not_shown(world: World, database: Database) -> None:
    other = World(database, "Other")
    run_id = other.accept().run_id

    assert found(world) == []
    assert found(world, keyword=run_id) == []


def test_an_operator_sees_all_apps(world: World, database: Database) -> None:
    ids = {world.accept().run_id, World(database, "Other").accept().run_id}

    with database.read() as session:
        assert {entry.run_id for entry in query_logs(session, LogQuery(None)).entries} == ids


def test_runs_are_filtered_by_status(world: World) -> None:
    by_status = {status: end_with(world, {}, status) for status in (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.STOPPED)}
    world.accept()

    assert {status: found(world, status=status) for status in by_status} == {status: [run] for status, run in by_status.items()}


def test_runs_are_filtered_by_time_with_both_ends_included(world: World) -> None:
    ids = [world.accept().run_id for _ in range(3)]
    for number, run_id in enumerate(ids):
        date(world, run_id, 1000.0 + number)

    assert found(world, created_after=1001.0) == [ids[2], ids[1]]
    assert found(world, created_before=1001.0) == [ids[1], ids[0]]
    assert found(world, created_after=1001.0, created_before=1001.0) == [ids[1]]


def test_runs_are_filtered_by_end_user(world: World, database: Database) -> None:
    with database.begin() as session:
        bob = ensure_end_user(session, world.app_id, "bob")
    world.accept()
    run_id = world.accept(end_user_id=bob).run_id

    assert found(world, session_id="bob") == [run_id]
    assert found(world, session_id="bo") == []
    assert found(world, session_id="") == []


@pytest.mark.parametrize("keyword", ["Hello", "hELLO w", "ello World", "sys.user_id"])
def test_a_keyword_is_found_in_inputs_whatever_its_case(world: World, keyword: str) -> None:
    run_id = world.accept(inputs={"text": "Say Hello World", "sys.user_id": "ada"}).run_id
    world.accept(inputs={"text": "Goodbye"})

    assert found(world, keyword=keyword) == [run_id]


@pytest.mark.parametrize(
    ("text", "keyword"),
    [("100% sure", "100%"), ("a_b", "A_B"), ('say "hi"', '"hi"'), ("back\\slash", "k\\s"), ("世界", "世"), ("a/b", "/"), ("1\n2", "1\n2")],
)
def test_a_keyword_is_found_in_outputs_literally(world: World, text: str, keyword: str) -> None:
    run_id = end_with(world, {"text": text})
    end_with(world, {"text": "a b, 1000, ab and so on"})

    assert found(world, keyword=keyword) == [run_id]


def test_a_keyword_is_found_in_the_name_of_the_end_user(world: World, database: Database) -> None:
    with database.begin() as session:
        user = ensure_end_user(session, world.app_id, "Grace.Hopper")
    run_id = world.accept(end_user_id=user).run_id
    world.accept()

    assert found(world, keyword="hopper") == [run_id]


def test_a_keyword_may_be_a_whole_run_id(world: World) -> None:
    run_id = world.accept().run_id
    world.accept()

    assert found(world, keyword=run_id.upper()) == [run_id]
    assert found(world, keyword=run_id[:35]) == []


def test_only_the_first_thirty_characters_of_a_keyword_count(world: World) -> None:
    run_id = world.accept(inputs={"text": "x" * 30}).run_id

    assert found(world, keyword="x" * 30 + "y") == [run_id]
    assert found(world, keyword="x" * 29 + "y") == []


@pytest.mark.parametrize("keyword", ["nul\0", "\ud800", "'", ";--"])
def test_odd_keywords_find_nothing_and_harm_nothing(world: World, keyword: str) -> None:
    world.accept()

    assert found(world, keyword=keyword) == []

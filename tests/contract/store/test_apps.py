"""Apps and their versions."""

import pytest

from tests.contract.store.world import World, count, race, record
from worker.engine.errors import RunFenced
from worker.store import apps, claims, keys
from worker.store.encoding import loads
from worker.store.errors import NotFound
from worker.store.events import EventStretch
from worker.store.models import ApiKey, App, EndUser, NodeExecution, Run, RunEvents, RunPayload, StoredFile, Workflow
from worker.store.session import Database


def publish(world: World, content_hash: str, **document: object) -> tuple[Workflow, bool]:
    with world.database.begin() as session:
        return apps.publish(session, world.app_id, document, content_hash)


def current(world: World) -> str | None:
    with world.database.read() as session:
        return session.get_one(App, world.app_id).workflow_id


def test_a_new_app_has_nothing_published(database: Database) -> None:
    with database.begin() as session:
        app = apps.create_app(session, apps.Profile("Nul \0", icon="🤖"))

    assert (app.name, app.icon, app.mode, app.status, app.workflow_id) == ("Nul \ufffd", "🤖", "workflow", "normal", None)
    assert app.created_at > 1_700_000_000


def test_a_publication_becomes_current_and_earlier_versions_stay(world: World, database: Database) -> None:
    version, is_new = publish(world, "second", text="ü\0", big=2**70)

    assert is_new
    assert current(world) == version.id
    assert loads(version.document) == {"text": "ü\0", "big": 2**70}
    with database.read() as session:
        assert [one.id for one in apps.list_versions(session, world.app_id)] == [version.id, world.workflow_id]


def test_the_version_text_is_the_time_of_publication(world: World) -> None:
    version, _ = publish(world, "second")

    assert version.version == apps.version_text(version.created_at)
    assert apps.version_text(1741940530.123456) == "2025-03-14 08:22:10.123456"


def test_publishing_what_is_current_changes_nothing(world: World, database: Database) -> None:
    version, is_new = publish(world, "hash")

    assert (version.id, is_new) == (world.workflow_id, False)
    assert count(database, Workflow) == 1


def test_publishing_an_earlier_content_again_is_a_new_version(world: World) -> None:
    publish(world, "second")
    version, is_new = publish(world, "hash")

    assert is_new
    assert version.id != world.workflow_id


def test_many_publications_of_one_content_at_once_make_one_version(world: World, database: Database) -> None:
    published = race([lambda: publish(world, "second")] * 8)

    assert len({version.id for version, _ in published}) == 1
    assert [is_new for _, is_new in published].count(True) == 1
    assert count(database, Workflow) == 2


def test_a_rollback_makes_an_earlier_version_current(world: World, database: Database) -> None:
    second, _ = publish(world, "second")

    with database.begin() as session:
        apps.rollback(session, world.app_id, world.version)
    assert current(world) == world.workflow_id
    with database.begin() as session:
        apps.rollback(session, world.app_id, second.id)
    assert current(world) == second.id


def test_a_rollback_to_a_version_of_another_app_is_refused(world: World, database: Database) -> None:
    other = World(database, "Other")

    with pytest.raises(NotFound), database.begin() as session:
        apps.rollback(session, world.app_id, other.workflow_id)

    assert current(world) == world.workflow_id


def test_a_version_is_found_in_its_app_only(world: World, database: Database) -> None:
    other = World(database, "Other")

    with database.read() as session:
        found = apps.find_version(session, world.app_id, world.workflow_id.upper())
        assert found is not None
        assert found.id == world.workflow_id
        assert apps.find_version(session, other.app_id, world.workflow_id) is None
        assert apps.find_version(session, world.app_id, "nul\0") is None
        loaded = apps.load_version(session, world.workflow_id)
        assert loaded is not None
        assert loaded.id == world.workflow_id


def test_an_app_is_found_by_id_or_name(world: World, database: Database) -> None:
    with database.read() as session:
        assert apps.find_app(session, "Greeter").id == world.app_id
        assert apps.find_app(session, world.app_id.upper()).id == world.app_id


@pytest.mark.parametrize("name", ["", "greeter", "nul\0", "no such app"])
def test_an_unknown_app_is_not_found(world: World, database: Database, name: str) -> None:
    with pytest.raises(NotFound, match="There is no app"), database.read() as session:
        apps.find_app(session, name)


def test_a_name_that_two_apps_have_names_none(world: World, database: Database) -> None:
    World(database)

    with pytest.raises(NotFound, match="by its id"), database.read() as session:
        apps.find_app(session, "Greeter")


def test_apps_are_listed_by_name(world: World, database: Database) -> None:
    World(database, "Alpha")

    with database.read() as session:
        assert [app.name for app in apps.list_apps(session)] == ["Alpha", "Greeter"]


def test_a_description_is_replaced_and_the_rest_stays(world: World, database: Database) -> None:
    with database.begin() as session:
        apps.describe_app(session, world.app_id, apps.Profile("Renamed", "says hello"))

    with database.read() as session:
        app = session.get_one(App, world.app_id)
    assert (app.name, app.description, app.workflow_id) == ("Renamed", "says hello", world.workflow_id)


def test_a_deleted_app_leaves_nothing_behind_and_others_alone(world: World, database: Database) -> None:
    other = World(database, "Other")
    other.accept()
    claim = world.start()
    with database.begin() as session:
        keys.create_key(session, world.app_id)
        claims.save_progress(session, claim.run_id, claim.attempt, [(1, record())], EventStretch.of(1, [b"{}"]))
        facts = {"name": "a", "extension": "", "mime_type": "text/plain", "size": 1, "created_at": 1.0}
        session.add(StoredFile(id="f-1", app_id=world.app_id, kind="upload", end_user_id=world.end_user_id, **facts))

    with database.begin() as session:
        assert apps.delete_app(session, world.app_id) == ["f-1"]

    assert [count(database, model) for model in (App, Workflow, EndUser, Run, RunPayload)] == [1] * 5
    assert [count(database, model) for model in (ApiKey, StoredFile, NodeExecution, RunEvents)] == [0] * 4
    with pytest.raises(RunFenced):
        world.finish(claim)
    with pytest.raises(NotFound), database.begin() as session:
        apps.delete_app(session, world.app_id)

"""End users by the name that the client gives them."""

from functools import partial

from tests.contract.store.world import World, count, race
from worker.store.end_users import ANONYMOUS, ensure_end_user
from worker.store.models import EndUser
from worker.store.session import Database


def ensure(database: Database, app_id: str, session_id: str | None = None) -> str:
    with database.begin() as session:
        return ensure_end_user(session, app_id, session_id)


def test_a_user_is_made_once(world: World, database: Database) -> None:
    assert ensure(database, world.app_id, "ada") == world.end_user_id
    assert ensure(database, world.app_id, "bob") != world.end_user_id


def test_the_same_name_in_another_app_is_another_user(world: World, database: Database) -> None:
    assert World(database, "Other").end_user_id != world.end_user_id


def test_many_first_requests_at_once_make_one_user(world: World, database: Database) -> None:
    for number in range(5):
        assert len(set(race([partial(ensure, database, world.app_id, f"user-{number}")] * 8))) == 1

    assert count(database, EndUser) == 6


def test_requests_without_a_user_share_the_anonymous_one(world: World, database: Database) -> None:
    first, second, by_name = (ensure(database, world.app_id, name) for name in (None, None, ANONYMOUS))

    assert first == second == by_name
    with database.read() as session:
        user = session.get_one(EndUser, first)
    assert (user.session_id, user.is_anonymous) == ("DEFAULT-USER", True)


def test_odd_names_find_their_user_again(world: World, database: Database) -> None:
    for name in ("nul\0", "\ud800", "ü" * 255, "'; DROP TABLE runs; --"):
        assert ensure(database, world.app_id, name) == ensure(database, world.app_id, name)

from collections import Counter

import pytest

from worker.batches.turns import Candidate, Turns


def candidate(batch_id: str, app_id: str = "app", *, room: int = 100, priority: int = 0, open_runs: int = 0) -> Candidate:
    return Candidate(batch_id, app_id, priority, room, open_runs)


def test_apps_get_as_many_each_whatever_their_batches_hold() -> None:
    shares = Turns().share([candidate("large", "a", room=50_000), candidate("small", "b", room=100)], 10)

    assert shares == {"large": 5, "small": 5}


def test_an_app_that_comes_later_gets_what_becomes_free_until_both_have_as_many() -> None:
    shares = Turns().share([candidate("large", "a", open_runs=8), candidate("small", "b")], 4)

    assert shares == {"small": 4}


def test_what_one_app_cannot_use_goes_to_the_others() -> None:
    shares = Turns().share([candidate("large", "a"), candidate("small", "b", room=1)], 10)

    assert shares == {"large": 9, "small": 1}


@pytest.mark.parametrize(("window", "candidates"), [(0, [candidate("one")]), (5, [candidate("one", room=0)]), (5, [])])
def test_nothing_begins_without_room(window: int, candidates: list[Candidate]) -> None:
    assert Turns().share(candidates, window) == {}


def test_batches_of_higher_priority_go_first_within_their_app() -> None:
    mine = [candidate("later", "a"), candidate("urgent", "a", priority=5, room=2), candidate("other", "b")]

    assert Turns().share(mine, 6) == {"urgent": 2, "later": 1, "other": 3}


def test_batches_of_one_priority_share_alike() -> None:
    mine = [candidate("one"), candidate("two", open_runs=2), candidate("three")]

    assert Turns().share(mine, 7) == {"one": 3, "two": 1, "three": 3}


def test_with_one_place_apps_and_batches_take_turns() -> None:
    turns = Turns()
    everybody = [candidate("a1", "a"), candidate("a2", "a"), candidate("b1", "b"), candidate("c1", "c")]

    begun = [next(iter(turns.share(everybody, 1))) for _ in range(12)]

    assert Counter(begun) == {"a1": 2, "a2": 2, "b1": 4, "c1": 4}
    assert all(len({name[0] for name in begun[at : at + 3]}) == 3 for at in range(0, 12, 3))


def test_what_is_gone_is_forgotten() -> None:
    turns = Turns()
    turns.share([candidate("one", "a"), candidate("two", "b")], 2)

    turns.forget({"a", "one"})

    assert set(turns.served) == {"a", "one"}

"""Events that follow the end of a run whose text is spoken (api-contract.md section 7)."""

import pytest

from tests.contract.store.world import World, finished
from worker.engine.errors import RunFenced
from worker.engine.events import RunStatus
from worker.store import claims, runs
from worker.store.events import EventStretch, read_events, read_last
from worker.store.session import Database

START, END, AUDIO, LAST = b'{"event":"a"}', b'{"event":"b"}', b'{"event":"c"}', b'{"event":"d"}'


def finish(world: World, database: Database, speech_s: float | None) -> claims.Claim:
    """A run that has ended after two events, and may speak for so long."""
    claim = world.start(wants_speech=True)
    assert claim.wants_speech
    with database.begin() as session:
        assert claims.finish_run(session, claim.run_id, 1, finished(), {}, [], EventStretch.of(1, [START, END]), speech_s=speech_s)
    return claim


def speak(database: Database, claim: claims.Claim, attempt: int, first: int, *frames: bytes, is_end: bool = False) -> None:
    with database.begin() as session:
        claims.save_speech(session, claim.run_id, attempt, EventStretch.of(first, frames), is_end=is_end)


def outlook(database: Database, claim: claims.Claim) -> runs.Outlook | None:
    with database.read() as session:
        return runs.find_outlook(session, claim.run_id)


def test_events_follow_the_end_until_speech_ends(world: World, database: Database) -> None:
    claim = finish(world, database, 60.0)
    assert outlook(database, claim) == runs.Outlook(2, is_complete=False)

    speak(database, claim, 1, 3, AUDIO)
    assert outlook(database, claim) == runs.Outlook(3, is_complete=False)

    for _ in range(2):
        speak(database, claim, 1, 4, LAST, is_end=True)
    assert outlook(database, claim) == runs.Outlook(4, is_complete=True)
    row = world.row(claim.run_id)
    assert (row.status, row.wants_speech, row.lease_until) == (RunStatus.SUCCEEDED, False, None)
    with database.read() as session:
        assert read_events(session, claim.run_id) == list(enumerate([START, END, AUDIO, LAST], 1))


def test_speech_does_not_wait_longer_than_its_worker_was_given(world: World, database: Database) -> None:
    assert outlook(database, finish(world, database, -1.0)) == runs.Outlook(2, is_complete=True)


def test_an_end_without_speech_is_the_last_event(world: World, database: Database) -> None:
    claim = finish(world, database, None)

    assert outlook(database, claim) == runs.Outlook(2, is_complete=True)
    assert not world.row(claim.run_id).wants_speech


def test_speech_of_another_attempt_or_of_a_run_that_goes_on_is_refused(world: World, database: Database) -> None:
    with pytest.raises(RunFenced):
        speak(database, finish(world, database, 60.0), 2, 3, AUDIO)
    with pytest.raises(RunFenced):
        speak(database, world.start(wants_speech=True), 1, 1, AUDIO)


def test_a_run_that_goes_on_is_not_complete(world: World, database: Database) -> None:
    assert outlook(database, world.start()) == runs.Outlook(0, is_complete=False)
    with database.read() as session:
        assert runs.find_outlook(session, "no run") is None


def test_the_last_event_of_a_kind_is_found_behind_others(world: World, database: Database) -> None:
    claim = finish(world, database, 60.0)
    speak(database, claim, 1, 3, AUDIO)

    with database.read() as session:
        assert read_last(session, claim.run_id, (START, END)) == END
        assert read_last(session, claim.run_id, (b"x",)) is None

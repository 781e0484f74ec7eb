import threading

from worker.webhooks.lanes import AILING, MEMORY, PER_LANE, SENDERS, Lanes


def fill(lanes: Lanes, lane: str) -> int:
    """Use all the room of a lane; answers how much there was."""
    room = lanes.room(lane)
    for _ in range(room):
        lanes.enter(lane)
    return room


def make_ailing(lanes: Lanes, lane: str) -> None:
    lanes.enter(lane)
    lanes.leave(lane, is_well=False)


def test_a_lane_gets_a_few_senders_at_most():
    lanes = Lanes()

    assert (fill(lanes, "a"), lanes.room("a"), lanes.room("b")) == (PER_LANE, 0, PER_LANE)
    lanes.leave("a", is_well=True)
    assert lanes.room("a") == 1


def test_a_receiver_that_failed_gets_one_until_it_answers():
    lanes = Lanes()
    make_ailing(lanes, "a")
    assert (fill(lanes, "a"), lanes.room("a")) == (1, 0)

    lanes.leave("a", is_well=True)

    assert lanes.room("a") == PER_LANE


def test_all_senders_together_are_bounded():
    lanes = Lanes()

    assert sum(fill(lanes, f"lane-{number}") for number in range(SENDERS)) == SENDERS
    assert lanes.room("another") == 0


def test_ailing_receivers_leave_senders_to_the_others_however_many_they_are():
    lanes = Lanes()
    for number in range(2 * SENDERS):
        make_ailing(lanes, f"dead-{number}")

    assert sum(fill(lanes, f"dead-{number}") for number in range(2 * SENDERS)) == AILING
    assert lanes.room("alive") == PER_LANE


def test_the_memory_of_ailing_receivers_is_bounded():
    lanes = Lanes()
    for number in range(MEMORY + 5):
        make_ailing(lanes, f"dead-{number}")

    assert len(lanes._ailing) <= MEMORY
    assert not lanes._under_way


def test_one_can_wait_until_nothing_is_under_way():
    lanes = Lanes()
    assert lanes.wait_empty(0)
    lanes.enter("a")
    assert not lanes.wait_empty(0.01)

    thread = threading.Timer(0.05, lanes.leave, ["a"], {"is_well": True})
    thread.start()

    assert lanes.wait_empty(10)
    thread.join()

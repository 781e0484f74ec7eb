import threading

from app.readiness import Readiness


def test_a_dependency_that_hangs_is_not_waited_for():
    may_go = threading.Event()
    readiness = Readiness({"slow": lambda: may_go.wait(5), "quick": lambda: None}, 0.05)

    found = readiness.look()
    may_go.set()

    assert found == {"slow": "no answer in time", "quick": "ok"}


def test_an_answer_is_remembered_for_a_second():
    looks = []
    readiness = Readiness({"x": lambda: looks.append(1)}, 1.0)

    for _ in range(5):
        readiness.look()

    assert len(looks) == 1


def test_what_a_check_raises_is_an_answer():
    assert Readiness({"x": lambda: 1 / 0}, 1.0).look() == {"x": "unavailable"}

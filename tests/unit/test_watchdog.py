import pytest

from worker.watchdog import PATIENCE_S, Watchdog


class Scene:
    """A worker as its watchdog sees it; it looks every ten seconds."""

    def __init__(self):
        self.now = 1000.0
        self.backlog = 3
        self.has_room = True
        self.heard_at = 0.0
        self.left_at = None
        self.watchdog = Watchdog(lambda: self.backlog, lambda: self.has_room, lambda: self.heard_at, self.leave, lambda: self.now)

    def leave(self):
        self.left_at = self.left_at or self.now

    def pass_by(self, seconds):
        for _ in range(int(seconds / 10)):
            self.watchdog.look()
            self.now += 10


@pytest.fixture
def scene():
    return Scene()


def test_a_worker_that_gets_nothing_although_tasks_wait_leaves(scene):
    scene.pass_by(PATIENCE_S + 30)

    assert scene.left_at == 1000 + PATIENCE_S + 10


def test_a_task_that_comes_starts_the_patience_anew(scene):
    scene.pass_by(PATIENCE_S)
    scene.heard_at = scene.now
    scene.pass_by(PATIENCE_S)

    assert scene.left_at is None


@pytest.mark.parametrize("change", [{"backlog": 0}, {"backlog": None}, {"has_room": False}], ids=str)
def test_quiet_is_right_without_tasks_without_a_broker_and_without_room(scene, change):
    for name, value in change.items():
        setattr(scene, name, value)
    scene.pass_by(10 * PATIENCE_S)

    assert scene.left_at is None


def test_patience_begins_when_tasks_begin_to_wait(scene):
    scene.backlog = 0
    scene.pass_by(10 * PATIENCE_S)
    scene.backlog = 1
    scene.pass_by(PATIENCE_S)

    assert scene.left_at is None

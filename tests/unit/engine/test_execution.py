import threading
from queue import SimpleQueue

from worker.engine.execution import Threads


def test_work_that_follows_work_reuses_the_thread():
    threads, seen, done = Threads(idle_s=5), set(), SimpleQueue()

    def work():
        seen.add(threading.get_ident())
        done.put(True)

    for _ in range(20):
        threads.submit(work)
        done.get(timeout=5)
        while not threads._idle:  # The thread counts itself idle just after its work.
            pass

    assert len(seen) == 1


def test_work_that_waits_does_not_hold_other_work():
    threads, barrier = Threads(idle_s=0.1), threading.Barrier(21)
    for _ in range(20):
        threads.submit(lambda: barrier.wait(10))

    barrier.wait(10)


def test_nothing_is_lost_when_idle_threads_end_while_work_arrives():
    threads, done = Threads(idle_s=0.001), SimpleQueue()

    for i in range(500):
        threads.submit(lambda i=i: done.put(i))

    assert sorted(done.get(timeout=5) for _ in range(500)) == list(range(500))

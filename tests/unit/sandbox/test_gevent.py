"""The sandbox under gevent's monkey patches, as the workers of the gevent pool have it. In a process of its own."""

import subprocess
import sys

SCRIPT = """
from gevent import monkey
monkey.patch_all()
import time
import gevent
from worker.engine.errors import RunStopped
from worker.engine.inbox import Inbox
from worker.sandbox.runner import SandboxRunner

runner = SandboxRunner()
runner.tier()
source = "import time\\ndef main(n):\\n    time.sleep(0.5)\\n    return 'x' * n"
ticks = 0

def tick():
    global ticks
    while True:
        ticks += 1
        gevent.sleep(0.01)

def stopped(inbox):
    try:
        runner.run("python3", "import time\\ndef main():\\n    time.sleep(60)", {}, inbox)
    except RunStopped:
        return "stopped"

ticker = gevent.spawn(tick)
started = time.monotonic()
inbox = Inbox()
waiting = gevent.spawn(stopped, inbox)
jobs = [gevent.spawn(runner.run, "python3", source, {"n": 100_000}, Inbox()) for _ in range(20)]
gevent.joinall(jobs, timeout=10, raise_error=True)
assert {job.get() for job in jobs} == {"x" * 100_000}
assert time.monotonic() - started < 5, "executions waited for each other"
assert ticks > 20, "the hub was blocked"
inbox.stop()
assert waiting.get(timeout=1) == "stopped"
ticker.kill()
runner.close()
print("done")
"""


def test_executions_run_side_by_side_and_block_no_other_greenlet():
    done = subprocess.run([sys.executable, "-W", "error", "-c", SCRIPT], capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr

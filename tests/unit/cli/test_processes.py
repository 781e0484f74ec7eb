import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.cli.processes import Program, Supervisor, ending_of

PATIENCE_S = 10.0


def until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def python(code, *arguments):
    return [sys.executable, "-S", "-c", code, *map(str, arguments)]


def is_running(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def said():
    return []


@pytest.fixture
def supervisor(said, tmp_path):
    with (tmp_path / "output").open("wb") as output:
        supervisor = Supervisor(said.append, output.fileno())
        yield supervisor
        supervisor.end(supervisor.children, 0.0)


def start(supervisor, *argv, name="child", **env):
    return supervisor.start(Program(name, argv, {**os.environ, **env}))


WAITS = "import time; time.sleep(600)"
IGNORES = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(sys.argv[1], 'w').close(); time.sleep(600)"


def test_a_child_that_dies_is_started_again_and_said(supervisor, said):
    child = start(supervisor, *python("import sys; sys.exit(3)"))
    first = child.process.pid
    child.process.wait()

    assert 0 < supervisor.revive() <= 0.5
    assert said == ["child ended with code 3; starting it again in 0.5 s."]
    until(lambda: supervisor.revive() is None or child.process.pid != first)
    assert child.process.pid != first


def test_restarts_in_a_row_wait_longer_up_to_a_bound(supervisor, said):
    child = start(supervisor, *python("pass"))
    for _ in range(9):
        child.process.wait()
        supervisor.revive()
        child.restart_at = 0.0
        supervisor.revive()

    delays = [float(sentence.split()[-2]) for sentence in said]
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_child_that_lived_long_counts_its_deaths_anew(supervisor):
    child = start(supervisor, *python("pass"))
    child.deaths, child.started_at = 7, time.monotonic() - 3600
    child.process.wait()
    supervisor.revive()

    assert child.deaths == 1


def test_a_dead_childs_own_children_are_ended_before_it_starts_again(supervisor, tmp_path):
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); open(sys.argv[1], 'w').write(str(p.pid))"
    child = start(supervisor, *python(code, tmp_path / "pid"))
    child.process.wait()
    orphan = int((tmp_path / "pid").read_text())
    assert is_running(orphan)

    supervisor.revive()

    until(lambda: not is_running(orphan))


def test_the_end_asks_politely_first(supervisor, tmp_path):
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); open(sys.argv[1], 'w').close(); time.sleep(600)"
    )
    child = start(supervisor, *python(code, tmp_path / "up"))
    until((tmp_path / "up").exists)

    supervisor.end([child], PATIENCE_S)

    assert child.process.returncode == 5
    assert supervisor.children == []


def test_the_end_kills_what_does_not_listen(supervisor, tmp_path):
    deaf = start(supervisor, *python(IGNORES, tmp_path / "up"))
    other = start(supervisor, *python(WAITS))
    until((tmp_path / "up").exists)
    started = time.monotonic()

    supervisor.end([deaf, other], 0.3)

    assert time.monotonic() - started < 2.0
    assert deaf.process.returncode == -signal.SIGKILL
    assert other.process.returncode == -signal.SIGTERM


def test_children_are_in_sessions_of_their_own_so_that_ctrl_c_reaches_the_supervisor_alone(supervisor):
    child = start(supervisor, *python(WAITS))

    assert os.getsid(child.process.pid) == child.process.pid


PARENT = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from app.cli.processes import Program, Supervisor
supervisor = Supervisor(print, 2)
child = supervisor.start(Program("child", ["sleep", "600"], dict(os.environ)))
print(child.process.pid, flush=True)
{then}
"""


@contextlib.contextmanager
def parent_process(then):
    root = Path(__file__).parents[3]
    argv = [sys.executable, "-u", "-c", PARENT.format(then=then), str(root)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        try:
            yield parent, int(parent.stdout.readline())
        finally:
            parent.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
def test_children_end_when_their_supervisor_is_killed():
    with parent_process("time.sleep(600)") as (parent, child):
        assert is_running(child)
        parent.kill()
        until(lambda: not is_running(child))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_ends_the_loop(number):
    then = "with supervisor.listening():\n print('up')\n supervisor.run()\n supervisor.end(supervisor.children, 5.0)\nprint('ended')"
    with parent_process(then) as (parent, child):
        assert parent.stdout.readline() == "up\n"
        parent.send_signal(number)
        assert parent.stdout.readline() == "ended\n"
        assert parent.wait(PATIENCE_S) == 0
        assert not is_running(child)


def test_the_loop_notices_a_death_without_polling():
    then = "with supervisor.listening():\n os.kill(child.process.pid, 9)\n supervisor.run()"
    with parent_process(then) as (parent, _):
        assert parent.stdout.readline() == "child was killed by SIGKILL; starting it again in 0.5 s.\n"


@pytest.mark.parametrize(("code", "words"), [(0, "ended with code 0"), (2, "ended with code 2"), (-9, "was killed by SIGKILL")])
def test_endings_in_words(code, words):
    assert ending_of(code) == words

"""The parts of a confinement one by one, each in a fresh interpreter: what a machine offers that lacks the others."""

import json
import os
import subprocess
import sys
import tempfile

import pytest

from worker.sandbox import landlock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="parts that only Linux has")

SCRIPT = """
import json, os, sys
from worker.sandbox.bounds import Bounds
from worker.sandbox.confinement import Confinement, open_places

folder, parts, attempt = sys.argv[1:]
import threading, socket
places = ("/dev/null", "/lib", "/usr/lib", sys.base_prefix) if "landlock" in parts else ()
Confinement.of(json.loads(parts), open_places(places)).apply(1, folder, Bounds(10, 10))
try:
    print(json.dumps(repr(eval(attempt))))
except BaseException as error:
    print(json.dumps(type(error).__name__))
sys.stdout.flush()
os._exit(0)
"""

#: Root is exempt from some resource limits.
UID = ["uid"] if os.geteuid() == 0 else []


def outcome(parts: list[str], attempt: str) -> str:
    """The value of an expression, or the name of its error."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, folder, json.dumps(parts), attempt], capture_output=True, text=True, timeout=30, check=True
        )
    return json.loads(done.stdout)


@pytest.mark.parametrize("attempt", ["os.fork()", "threading.Thread(target=print).start()"])
def test_without_a_filter_the_limits_alone_forbid_processes(attempt):
    assert outcome(UID, attempt) in ("BlockingIOError", "RuntimeError")


def test_limits_alone_bound_memory():
    assert outcome([], "bytearray(10**10)") == "MemoryError"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_identity_is_dropped_for_good():
    assert outcome(["uid"], "(os.getresuid(), os.getresgid(), os.getgroups())") == "((65534, 65534, 65534), (65534, 65534, 65534), [])"
    assert outcome(["uid"], "os.setuid(0)") == "PermissionError"


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
def test_landlock_alone_hides_files_even_from_root():
    parts = ["no-new-privs", "landlock"]

    for attempt in ("open('/etc/passwd')", "os.listdir('/tmp')", "open('/tmp/new', 'w')", "os.mkdir('../new')"):
        assert outcome(parts, attempt) == "PermissionError"
    for attempt in ("open('/dev/null', 'w').write('x')", "open('own', 'w').write('x')", "len(os.listdir('/usr/lib')) > 0 and 1"):
        assert outcome(parts, attempt) == "1"


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
def test_without_a_user_of_its_own_it_changes_nothing_that_it_cannot_open(tmp_path):
    """Landlock does not judge these calls, and the files of the worker belong to the same user."""
    path = tmp_path / "secret.key"
    path.write_bytes(b"precious")
    os.setxattr(path, "user.kept", b"1")
    before = os.stat(path)
    by_path = (
        "chmod({}, 0o777)",
        "truncate({}, 0)",
        "chown({}, 1, 1)",
        "lchown({}, 1, 1)",
        "utime({}, (1, 1))",
        "setxattr({}, 'user.x', b'1')",
    )

    for attempt in (*by_path, "removexattr({}, 'user.kept')", "chmod({}, 0, follow_symlinks=False)"):
        result = outcome(["no-new-privs", "landlock", "seccomp"], "os." + attempt.format(repr(str(path))))
        assert result in ("PermissionError", "NotImplementedError"), attempt

    assert (os.stat(path), path.read_bytes(), os.listxattr(path)) == (before, b"precious", ["user.kept"])


def test_without_a_user_of_its_own_it_can_still_use_its_own_files():
    parts = ["no-new-privs", "seccomp"]

    assert outcome(parts, "(file := open('own', 'w'), file.write('abc'), os.fchmod(file.fileno(), 0o600), file.truncate(2))[-1]") == "2"
    assert outcome(parts, "(open('own', 'w').close(), os.rename('own', 'new'), os.remove('new'))[-1]") == "None"


def test_filter_alone_forbids_connections_but_not_threads():
    parts = ["no-new-privs", "seccomp"]

    assert outcome(parts, "socket.socket()") == "PermissionError"
    assert outcome(parts, "threading.Thread(target=int).start()") == "None"
    assert outcome(parts, "socket.socketpair() and 1") == "1"

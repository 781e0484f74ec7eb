"""Code that means harm: reliability.md section 3.1. Each case fails to do it and leaves the service as it was."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.sandbox.observing import becomes, error_of, executions, folders, run, zygote_id
from worker.engine.limits import Limits
from worker.sandbox import landlock
from worker.sandbox.runner import SandboxRunner
from worker.sandbox.seccomp import DENIED

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines to this degree")

CANARY = "SECRET_CANARY_7f3a"

#: Refused by file permissions, by Landlock or by the system call filter.
REFUSED = ("PermissionError", "FileNotFoundError")


@pytest.fixture(autouse=True)
def is_healthy(runner: SandboxRunner) -> Iterator[None]:
    """After each case, everything works and nothing is left."""
    yield
    assert run(runner, "def main():\n    return 'fine'") == "fine"
    assert becomes(lambda: executions(runner) == [] and folders(runner) == [])


#: Who is not root reads its own files unless Landlock forbids it.
needs_landlock = pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that file permissions open to everyone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


def test_every_defence_that_the_kernel_has_is_active(runner):
    wanted = {"rlimits", "no-new-privs", "seccomp"}
    wanted |= {"landlock"} if landlock.version() else set()
    wanted |= {"uid"} if os.geteuid() == 0 else set()

    assert wanted <= set(runner.tier().split("+"))


def test_environment_holds_no_secret(monkeypatch):
    monkeypatch.setenv("PLANTED", CANARY)
    runner = SandboxRunner()
    source = """
import ctypes, gc, os, sys
def main(half):
    environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    inherited = [] if not environ else [environ[0]]
    kinds = (str, bytes, list, tuple)
    found = [thing for thing in gc.get_objects() if isinstance(thing, kinds) and half + "_7f3a" in repr(thing)]
    return [dict(os.environ), repr(inherited), sys.argv, len(found)]
"""
    try:
        environment, inherited, arguments, found = run(runner, source, {"half": "SECRET_CANARY"})
    finally:
        runner.close()

    assert environment == {}
    assert CANARY not in f"{inherited}{arguments}"
    assert found == 0


def test_only_the_channel_of_the_answer_is_open(runner):
    source = """
import os, stat
def main():
    kinds = []
    for descriptor in range(4096):
        try:
            kinds.append(stat.S_IFMT(os.fstat(descriptor).st_mode))
        except OSError:
            pass
    names = {stat.S_IFCHR: "device", stat.S_IFSOCK: "socket", stat.S_IFDIR: "folder"}
    return [names.get(kind, kind) for kind in kinds]
"""
    # Folders of the standard library are open where only root may reach them by name.
    assert sorted(set(run(runner, source)) - {"folder"}) == ["device", "socket"]
    assert run(runner, source).count("device") == 3
    assert run(runner, source).count("socket") == 1


@needs_landlock
@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/hostname", "/proc/self/environ", "/proc/self/maps", "/proc/1/environ", "/sys", "/"])
def test_files_of_the_machine_are_out_of_reach(runner, path):
    assert any(
        name in error_of(runner, f"import os\nos.listdir({path!r}) if os.path.isdir({path!r}) else open({path!r})") for name in REFUSED
    )


@needs_landlock
def test_environment_and_memory_of_the_worker_are_out_of_reach(runner):
    for process_id in (os.getpid(), zygote_id(runner)):
        for name in ("environ", "mem", "maps", "cmdline", "fd"):
            path = f"/proc/{process_id}/{name}"
            assert any(
                word in error_of(runner, f"import os\nos.listdir({path!r}) if {name == 'fd'} else open({path!r}, 'rb').read()")
                for word in REFUSED
            )


@needs_landlock
def test_files_that_anyone_may_read_are_out_of_reach(runner, open_folder):
    database = open_folder / "penstock.sqlite3"
    database.write_text(CANARY)
    database.chmod(0o666)

    for call in (
        f"open({str(database)!r})",
        f"open({str(database)!r}, 'w')",
        f"os.listdir({str(open_folder)!r})",
        f"os.remove({str(database)!r})",
    ):
        assert "PermissionError" in error_of(runner, f"import os\n{call}")
    assert database.read_text() == CANARY


@needs_landlock
def test_nothing_can_be_written_outside_its_folder(runner, open_folder):
    for target in ("/tmp/left", "/var/tmp/left", "/dev/shm/left", f"{open_folder}/left", "../left"):
        assert any(name in error_of(runner, f"open({target!r}, 'w')") for name in REFUSED)


@needs_landlock
def test_links_do_not_lead_out(runner, open_folder):
    (open_folder / "secret").write_text(CANARY)
    (open_folder / "secret").chmod(0o666)
    target = str(open_folder / "secret")

    assert "PermissionError" in error_of(runner, f"import os\nos.symlink({target!r}, 'link')\nopen('link').read()")
    assert "Error" in error_of(runner, f"import os\nos.link({target!r}, 'link')\nopen('link').read()")


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.create_connection(('169.254.169.254', 80), 1)",
        "socket.create_connection(('127.0.0.1', 6379), 1)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_UNIX)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "urllib.request.urlopen('http://localhost:5432/', timeout=1)",
        "socket.getaddrinfo('example.com', 80)",
    ],
)
def test_there_is_no_network(runner, attempt):
    text = error_of(runner, f"import socket, urllib.request\n{attempt}")

    assert "Operation not permitted" in text or "Temporary failure in name resolution" in text


@pytest.mark.parametrize(
    "attempt",
    [
        "os.fork()",
        "os.forkpty()",
        "os.execv('/bin/sh', ['sh'])",
        "os.posix_spawn('/bin/sh', ['sh'], {})",
        "os.system('true') == 0 or fail()",
        "subprocess.run(['/bin/true'])",
        "multiprocessing.get_context('fork').Process(target=print).start()",
    ],
)
def test_no_process_can_be_started(runner, attempt):
    source = f"import multiprocessing, os, subprocess\ndef fail():\n    raise PermissionError\n{attempt}"

    assert "PermissionError" in error_of(runner, source)


def test_fork_bomb_and_daemon_leave_nothing_behind(runner):
    bomb = """
import os
def main():
    started = 0
    for _ in range(1000):
        try:
            if os.fork() == 0:
                os.setsid()
                while True:
                    pass
            started += 1
        except OSError:
            pass
    return started
"""
    assert run(runner, bomb) == 0


def test_threads_are_bounded(runner):
    source = """
import threading, time
def main():
    count = 0
    try:
        for _ in range(5000):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            count += 1
    except (RuntimeError, MemoryError):
        pass
    return count
"""
    assert run(runner, source) < 1000


def test_other_processes_cannot_be_signalled_or_limited(runner):
    for process_id in (os.getpid(), zygote_id(runner), 1, -1):
        assert "PermissionError" in error_of(runner, f"import os, signal\nos.kill({process_id}, signal.SIGKILL)")
    for attempt in ("os.killpg(os.getpgid(0), 9)", "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)", "os.pidfd_open(os.getppid())"):
        assert "PermissionError" in error_of(runner, f"import os\n{attempt}")
    assert "PermissionError" in error_of(runner, f"import resource\nresource.prlimit({os.getpid()}, resource.RLIMIT_NOFILE, (0, 0))")


def test_limits_cannot_be_raised(runner):
    for name in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE"):
        source = f"import resource\nresource.setrlimit(resource.{name}, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))"
        assert "not allowed to raise maximum limit" in error_of(runner, source)


def test_identity_cannot_be_changed(runner):
    # In a user namespace without root, the answer is "invalid argument".
    assert any(f"Errno {number}" in error_of(runner, "import os\nos.setuid(0)") for number in (1, 22))


@pytest.mark.parametrize(
    "name", ["socket", "execve", "ptrace", "mount", "bpf", "unshare", "io_uring_setup", "userfaultfd", "keyctl", "shmget"]
)
def test_system_calls_by_number_are_refused(runner, name):
    number = DENIED[name][0 if os.uname().machine == "x86_64" else 1]
    source = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def main():
    return [libc.syscall({number}, 0, 0, 0, 0, 0, 0), ctypes.get_errno()]
"""
    assert run(runner, source) == [-1, 1]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the other calling conventions of x86-64")
def test_the_other_calling_convention_is_refused(runner):
    """x32 numbers: the same calls with bit 30 set."""
    source = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def main():
    return [libc.syscall(0x40000000 + 41, 2, 1, 0), ctypes.get_errno()]
"""

    assert run(runner, source) == [-1, 38]


def test_memory_is_bounded(runner):
    assert "MemoryError" in error_of(runner, "hoard = bytearray(10 * 2**30)")
    assert "MemoryError" in error_of(runner, "hoard = []\nwhile True:\n    hoard.append(bytes(2**20))")


def test_files_are_bounded_in_size(runner):
    source = "with open('big', 'wb') as file:\n    for _ in range(1000):\n        file.write(bytes(2**20))"

    assert "OSError: [Errno 27] File too large" in error_of(runner, source)


def test_many_files_are_removed_again(impatient_runner):
    source = "import os\nfor number in range(100_000):\n    open(str(number), 'w').close()\ndef main():\n    return len(os.listdir('.'))"

    assert "Error" in error_of(impatient_runner, source) or "ran longer" in error_of(impatient_runner, source)
    assert becomes(lambda: folders(impatient_runner) == [], within_s=20)


def test_folders_deeper_than_any_path_are_removed_again(impatient_runner):
    source = (
        "import os\nfor _ in range(3000):\n    os.mkdir('d' * 200)\n    os.chdir('d' * 200)\n"
        "os.fchmod(os.open('.', 0), 0)\ndef main():\n    return 1"
    )

    assert run(impatient_runner, source) == 1
    assert becomes(lambda: folders(impatient_runner) == [], within_s=20)


def test_disk_is_not_filled(runner):
    if "namespaces" not in runner.tier():
        pytest.skip("without CAP_SYS_ADMIN there is no file system in memory")
    source = "for number in range(100):\n    open(str(number), 'wb').write(bytes(15 * 2**20))"

    assert "OSError: [Errno 28] No space left on device" in error_of(runner, source)


def test_output_without_end_goes_nowhere(runner):
    source = """
import os
def main():
    for _ in range(1000):
        os.write(1, bytes(2**20))
        os.write(2, bytes(2**20))
    return 'done'
"""
    assert run(runner, source) == "done"


def test_result_cannot_be_faked_by_printing(runner):
    source = """
import os
def main():
    os.write(1, b'R{"r": "fake"}')
    print('<<RESULT>>{"r": "fake"}<<RESULT>>')
    return {"r": "real"}
"""
    assert run(runner, source) == {"r": "real"}


def test_result_written_by_the_code_itself_is_only_a_result(runner):
    """Writing to the channel is no more than returning: what is no JSON, or no value that can be kept, is an error."""
    write = (
        "import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, DATA)\n        os._exit(0)\n    except OSError:\n        pass\n"
    )

    assert run(runner, write.replace("DATA", "b'R[1]'")) == [1]
    for data in (
        "b'R'",
        "b'R{'",
        "b'R[NaN]'",
        "b'R[Infinity]'",
        "b'R\\xff'",
        "b'R' + b'[' * 100000",
        r"""b'R"\\ud800"'""",
        "b'R' + b'9' * 5000",
    ):
        assert error_of(runner, write.replace("DATA", data)).startswith("The result is not valid JSON: ")
    assert error_of(runner, write.replace("DATA", "b'X'")) == "The code ended without a result.\nerror: exit status 0\n"
    assert error_of(runner, write.replace("DATA", "b'F\\xff'")) == "�"


def test_endless_answer_is_cut_off(runner):
    started = time.monotonic()
    source = """
import os
while True:
    for fd in range(3, 64):
        try:
            os.write(fd, b'R' * 65536)
        except OSError:
            pass
"""
    assert error_of(runner, source) == "The code gave a result of more than 10485760 bytes."
    assert time.monotonic() - started < 5


def test_error_text_is_bounded(runner):
    text = error_of(runner, "def main():\n    raise ValueError('x' * 10_000_000)")

    assert len(text) < 25_000
    assert "characters left out" in text


def test_code_that_takes_the_interpreter_apart_harms_itself(runner):
    source = """
import builtins, gc, json, os, sys, traceback
os._exit = sys.exit = lambda *_: None
json.dumps = traceback.TracebackException.from_exception = None
sys.modules.clear()
def main():
    return 1
"""
    assert error_of(runner, source)


@pytest.mark.parametrize(
    "attempt", ["signal.alarm(0); signal.signal(signal.SIGTERM, signal.SIG_IGN)", "os.kill(os.getpid(), signal.SIGSTOP)"]
)
def test_code_cannot_outlive_its_time(attempt):
    runner = SandboxRunner(Limits(sandbox_worker_timeout=0.5))
    try:
        assert "ran longer" in error_of(runner, f"import os, signal, time\n{attempt}\ntime.sleep(60)")
        assert executions(runner) == []
    finally:
        runner.close()

"""The contract of code nodes: nodes.md section 6.5."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.sandbox.observing import becomes, error_of, executions, folders, run, zygote_id
from worker.engine.errors import NodeError, RunStopped
from worker.engine.inbox import Inbox
from worker.engine.limits import Limits
from worker.sandbox.runner import SandboxRunner

EXIT = "error: exit status 1\n"
SLEEP = "import time\ndef main():\n    time.sleep(60)\n"


def test_main_gets_the_inputs_and_its_result_comes_back_as_json_values(runner):
    source = "def main(text, number, flag, nothing, items, mapping=None):\n    return dict(locals())"
    inputs = {"text": "é世🌏", "number": 1.0, "flag": True, "nothing": None, "items": [1, "a"], "mapping": {"a": {"b": 2}}}

    assert run(runner, source, inputs) == inputs
    assert isinstance(run(runner, source, inputs)["number"], float)


def test_result_may_be_anything_that_json_knows(runner):
    assert run(runner, "def main():\n    return [1, (2, 3), 'x']") == [1, [2, 3], "x"]
    assert run(runner, "def main():\n    return {1: 'a', None: 'b', True: 'c'}") == {"1": "c", "null": "b"}
    assert run(runner, "def main():\n    return 2**70") == 2**70


def test_module_is_run_as_a_script_before_main(runner):
    source = "import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int = 3\nname = __name__\ndef main():\n    return [name, P().x]"

    assert run(runner, source) == ["__main__", 3]


def test_json_is_there_without_an_import(runner):
    assert run(runner, "def main():\n    return json.loads(b64decode('eyJhIjoxfQ=='))") == {"a": 1}
    assert run(runner, "json = 5\ndef main():\n    return json") == 5


def test_standard_library_is_there(runner):
    source = """
import asyncio, csv, ctypes, datetime, email.mime.text, hashlib, re, sqlite3, statistics, tempfile, uuid, xml.etree.ElementTree, zoneinfo
from concurrent.futures import ThreadPoolExecutor
def main():
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write("x")
        assert file.name.startswith(os.getcwd())
    with ThreadPoolExecutor(10) as pool:
        threads = list(pool.map(str, range(3)))
    day = datetime.datetime.strptime("2024-02-29", "%Y-%m-%d").replace(tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    return [asyncio.run(asyncio.sleep(0, "done")), threads, day.isoformat(), hashlib.sha256(b"").hexdigest()[:4]]
import os
"""
    assert run(runner, source) == ["done", ["0", "1", "2"], "2024-02-29T00:00:00+01:00", "e3b0"]


def test_only_the_standard_library_is_there(runner):
    assert "ModuleNotFoundError: No module named 'sqlalchemy'" in error_of(runner, "import sqlalchemy")


def test_prints_and_reads_do_not_disturb_the_result(runner):
    source = "import sys\ndef main():\n    print('noise' * 100000)\n    sys.stderr.write('more')\n    return sys.stdin.read()"

    assert run(runner, source) == ""


def test_error_text_is_the_traceback_of_the_users_own_frames(runner):
    source = "import json\ndef parse(text):\n    return json.loads(text)\ndef main(text):\n    return parse(text)"

    assert error_of(runner, source, {"text": "{"}) == (
        "Traceback (most recent call last):\n"
        '  File "<code>", line 5, in main\n'
        "    return parse(text)\n"
        "           ^^^^^^^^^^^\n"
        '  File "<code>", line 3, in parse\n'
        "    return json.loads(text)\n"
        "           ^^^^^^^^^^^^^^^^\n"
        "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)\n" + EXIT
    )


def test_error_text_tells_what_the_error_was_raised_from(runner):
    source = "def main():\n    try:\n        1 / 0\n    except ZeroDivisionError as error:\n        raise ValueError('nope') from error"

    text = error_of(runner, source)

    assert "ZeroDivisionError: division by zero\n\nThe above exception was the direct cause" in text
    assert text.endswith(f"ValueError: nope\n{EXIT}")
    assert text.count("File ") == text.count('File "<code>"') == 2


@pytest.mark.parametrize(
    ("source", "ending"),
    [
        ("def main(:\n  pass", '  File "<code>", line 1\n    def main(:\n             ^\nSyntaxError: invalid syntax\n'),
        ("x = 1", "NameError: name 'main' is not defined\n"),
        ("def main(a):\n    pass", "TypeError: main() missing 1 required positional argument: 'a'\n"),
        ("def main():\n    return {1, 2}", "TypeError: Object of type set is not JSON serializable\n"),
        ("def main():\n    return {(1, 2): 3}", "TypeError: keys must be str, int, float, bool or None, not tuple\n"),
        ("def main():\n    return [float('nan')]", "ValueError: Out of range float values are not JSON compliant\n"),
        ("def main():\n    a = []\n    a.append(a)\n    return a", "ValueError: Circular reference detected\n"),
        ("def main():\n    main()", "RecursionError: maximum recursion depth exceeded\n"),
        ("def main():\n    raise KeyboardInterrupt", "KeyboardInterrupt\n"),
        ("def main():\n    return bytearray(10**10)", "MemoryError\n"),
        (
            "def main():\n    return 'x' * 11_000_000",
            "ValueError: The result has 11000002 bytes as JSON, more than the 10485760 that are allowed\n",
        ),
    ],
)
def test_error_text_ends_as_pythons_does(runner, source, ending):
    assert error_of(runner, source).endswith(ending + EXIT)


def test_result_of_great_depth_is_refused(runner):
    source = "def main(depth):\n    value = []\n    for _ in range(depth):\n        value = [value]\n    return value"

    assert run(runner, source, {"depth": 100})
    assert error_of(runner, source, {"depth": 200}) == "The result is nested more than 128 levels deep."
    assert "RecursionError" in error_of(runner, source, {"depth": 100_000})


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("sys.exit(3)", "error: exit status 3\n"),
        ("sys.exit('bad luck')", "bad luck\nerror: exit status 1\n"),
        ("os._exit(0)", "The code ended without a result.\nerror: exit status 0\n"),
        ("os._exit(7)", "The code ended without a result.\nerror: exit status 7\n"),
        ("os.abort()", "The code crashed or was killed.\nerror: signal: SIGABRT\n"),
        ("ctypes.string_at(0)", "The code crashed or was killed.\nerror: signal: SIGSEGV\n"),
    ],
)
def test_code_that_ends_its_process_gets_an_error(runner, call, text):
    assert error_of(runner, f"import ctypes, os, sys\ndef main():\n    {call}") == text


def test_half_a_surrogate_pair_is_replaced(runner):
    assert run(runner, "def main():\n    return 'a' + chr(0xD800)") == "a?"
    assert error_of(runner, "def main():\n    raise ValueError(chr(0xD800))").endswith(f"ValueError: ?\n{EXIT}")


def test_other_languages_are_refused(runner):
    with pytest.raises(NodeError, match="Unsupported language perl") as caught:
        runner.run("perl", "sub main {}", {}, Inbox())
    assert caught.value.error_type == "CodeExecutionError"


def test_large_inputs_and_results_travel(runner):
    text = "x" * 5_000_000

    assert run(runner, "def main(a):\n    return a", {"a": text}) == text


def test_executions_see_no_state_of_each_other(runner):
    leave = "import builtins, json, os, sys\nbuiltins.mark = sys.mark = json.mark = 1\nopen('mark', 'w').close()\ndef main():\n    pass"
    look = """
import builtins, json, os, sys
def main():
    return [hasattr(builtins, "mark"), hasattr(sys, "mark"), hasattr(json, "mark"), os.listdir(".")]
"""
    run(runner, leave)

    assert run(runner, look) == [False, False, False, []]


def test_execution_has_a_process_group_of_its_own_and_leads_no_session(runner):
    source = "import os\ndef main():\n    return [os.getpgid(0) == os.getpid(), os.getsid(0)]"

    assert run(runner, source) == [True, zygote_id(runner)]


def test_threads_are_as_in_a_fresh_interpreter(runner):
    source = """
import logging, threading
def main():
    found = []
    thread = threading.Thread(target=lambda: found.append(threading.current_thread().name))
    thread.start()
    thread.join()
    logging.getLogger().error("said")
    return [found, threading.main_thread() is threading.current_thread(), threading.active_count()]
"""
    assert run(runner, source) == [["Thread-1 (<lambda>)"], True, 1]


def test_random_numbers_differ_between_executions(runner):
    source = "import random\ndef main():\n    return random.random()"

    assert run(runner, source) != run(runner, source)


def test_code_is_ended_at_its_time_limit(impatient_runner):
    started = time.monotonic()

    text = error_of(impatient_runner, "def main():\n    while True:\n        pass")

    assert text == "The code ran longer than the limit of 1 seconds (PENSTOCK_SANDBOX_WORKER_TIMEOUT) and was ended."
    assert time.monotonic() - started < 2
    assert executions(impatient_runner) == []


def test_stop_kills_the_code_within_a_second(runner):
    inbox = Inbox()
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(runner.run, "python3", SLEEP, {}, inbox)
        assert becomes(lambda: bool(executions(runner)))
        stopped = time.monotonic()
        inbox.stop()
        with pytest.raises(RunStopped):
            outcome.result(timeout=5)

    assert time.monotonic() - stopped < 1
    assert executions(runner) == []


def test_stopped_run_starts_no_code(runner):
    inbox = Inbox()
    inbox.stop()

    with pytest.raises(RunStopped):
        runner.run("python3", SLEEP, {}, inbox)


def test_stop_after_the_end_does_nothing(runner):
    inbox = Inbox()

    assert runner.run("python3", "def main():\n    return 1", {}, inbox) == 1
    inbox.stop()


def test_many_executions_run_at_once(runner):
    source = "import time\ndef main(n):\n    time.sleep(1)\n    return n"
    started = time.monotonic()

    with ThreadPoolExecutor(50) as pool:
        results = list(pool.map(lambda n: run(runner, source, {"n": n}), range(50)))

    assert results == list(range(50))
    assert time.monotonic() - started < 10


def test_nothing_is_left_of_an_execution(runner):
    run(runner, "import os\nos.makedirs('a/b')\nos.fchmod(os.open('a', 0), 0)\ndef main():\n    pass")

    assert becomes(lambda: folders(runner) == [] and executions(runner) == [])


def test_zygote_that_died_is_replaced():
    runner = SandboxRunner()
    try:
        first = zygote_id(runner)
        os.kill(first, signal.SIGKILL)
        assert run(runner, "def main():\n    return 1") == 1
        assert zygote_id(runner) != first
    finally:
        runner.close()


def test_execution_whose_zygote_dies_is_run_again():
    runner = SandboxRunner()
    source = "import time\ndef main():\n    time.sleep(1)\n    return 'done'"
    try:
        first = zygote_id(runner)
        with ThreadPoolExecutor(1) as pool:
            outcome = pool.submit(run, runner, source)
            assert becomes(lambda: bool(executions(runner)))
            orphans = executions(runner)
            os.kill(first, signal.SIGKILL)
            assert outcome.result(timeout=10) == "done"
        assert becomes(lambda: not any(_is_alive(process_id) for process_id in orphans))
    finally:
        runner.close()


def test_zygote_that_hangs_is_replaced(monkeypatch):
    monkeypatch.setattr("worker.sandbox.conversation.GRACE_S", 0.1)
    monkeypatch.setattr("worker.sandbox.zygote.END_S", 0.1)
    runner = SandboxRunner(Limits(sandbox_worker_timeout=0.5))
    try:
        first = zygote_id(runner)
        os.kill(first, signal.SIGSTOP)
        assert run(runner, "def main():\n    return 1") == 1
        assert not _is_alive(first)
    finally:
        runner.close()


@pytest.mark.parametrize(
    ("interpreter", "message"),
    [("/bin/false", "The sandbox ended while it started."), ("/no/python", "The sandbox did not start: .*/no/python")],
)
def test_zygote_that_does_not_start_is_an_error_of_the_node(monkeypatch, interpreter, message):
    monkeypatch.setattr(sys, "executable", interpreter)
    runner = SandboxRunner()
    with pytest.raises(NodeError, match=message):
        run(runner, "def main():\n    return 1")
    runner.close()


def test_close_ends_everything():
    runner = SandboxRunner()
    first = zygote_id(runner)
    folder = runner._keeper.ready().folder
    errors: list[str] = []
    waiting = threading.Thread(target=lambda: errors.append(error_of(runner, SLEEP)))
    waiting.start()
    assert becomes(lambda: bool(executions(runner)))
    running = executions(runner)

    runner.close()
    waiting.join(10)

    assert errors == ["The sandbox is shut down."]
    assert not any(_is_alive(process_id) for process_id in (first, *running))
    assert not os.path.exists(folder)
    runner.close()


def test_zygote_and_code_end_with_a_worker_that_is_killed():
    script = """
import threading, time
from worker.engine.inbox import Inbox
from worker.sandbox.runner import SandboxRunner
runner = SandboxRunner()
zygote = runner._keeper.ready()
source = "import time\\ndef main():\\n    time.sleep(60)"
threading.Thread(target=runner.run, args=("python3", source, {}, Inbox())).start()
children = f"/proc/{zygote.process_id}/task/{zygote.process_id}/children"
while not (code := open(children).read().split()):
    time.sleep(0.01)
print(zygote.process_id, code[0], zygote.folder, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as worker:
        zygote, code, folder = worker.stdout.readline().split()
        worker.kill()

    assert becomes(lambda: not _is_alive(int(zygote)) and not _is_alive(int(code)))
    assert becomes(lambda: not os.path.exists(folder))


def test_runner_that_was_never_used_has_no_process():
    SandboxRunner().close()


def _is_alive(process_id: int) -> bool:
    try:
        with open(f"/proc/{process_id}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False

import os
import subprocess
import sys

import pytest

from tests.services.footprint import Footprint, cpu_s, family, proportional_kb, resident_kb

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Footprints are read from /proc.")

#: Starts a child that works for a while and waits for it, says so, and waits itself until its input ends.
PARENT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.3: pass"])
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"])
print("ready", flush=True)
sys.stdin.read()
child.wait()
"""


@pytest.fixture
def parent():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid
        process.communicate()


def test_a_family_is_a_process_and_its_descendants(parent):
    assert family(parent)[0] == parent
    assert len(family(parent)) == 2
    assert parent in family(os.getpid())


def test_processor_time_of_children_that_have_ended_is_their_familys(parent):
    # The kernel counts in hundredths, and not the same ones as the child.
    assert Footprint.of(parent).children_cpu_s >= 0.2
    assert cpu_s([parent]) >= Footprint.of(parent).cpu_s + 0.2


def test_memory_is_that_of_the_whole_family(parent):
    assert resident_kb([parent]) > Footprint.of(parent).resident_kb
    assert 0 < proportional_kb([parent]) < resident_kb([parent])


def test_processes_that_are_gone_weigh_nothing():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()

    assert (resident_kb([process.pid]), proportional_kb([process.pid]), cpu_s([process.pid])) == (0, 0, 0.0)

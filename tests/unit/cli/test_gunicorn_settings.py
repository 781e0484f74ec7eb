"""What deploy/gunicorn.conf.py makes of the environment, in an interpreter of its own: it patches the one that reads it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIGURATION = Path(__file__).resolve().parents[3] / "deploy" / "gunicorn.conf.py"

READ = """
import json, resource, runpy, sys
settings = runpy.run_path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
settings["on_starting"](None)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
print(json.dumps({"connections": settings["worker_connections"], "has_all_descriptors": soft == hard}))
"""


def read(**environment):
    command = [sys.executable, "-c", READ, str(CONFIGURATION)]
    done = subprocess.run(command, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(("streams", "connections"), [("", 1000), ("900", 1000), ("10", 1000), ("5000", 5100), ("0", 100_000)])
def test_a_full_process_still_has_connections_to_say_so(streams, connections):
    assert read(PENSTOCK_MAX_STREAMS=streams)["connections"] == connections


def test_a_process_takes_all_the_descriptors_it_may_have():
    assert read()["has_all_descriptors"]

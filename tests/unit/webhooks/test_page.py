"""What docs/webhooks.md shows receivers to do."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from worker.store.webhook_secrets import make_secret
from worker.webhooks import schedule
from worker.webhooks.sending import ATTEMPT_S
from worker.webhooks.signing import signature, signed_headers

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "webhooks.md").read_text("utf-8")

(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(BY_HAND,) = [block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "openssl" in block]

BODY = '{"data": {"text": "ü %s\\n"}}'.encode()


@pytest.fixture
def is_genuine():
    names = {}
    exec(compile(EXAMPLE, "receiver.py", "exec"), names)
    return names["is_genuine"]


def test_the_example_knows_our_messages(is_genuine):
    secret = make_secret()
    headers = dict(signed_headers(secret, "id-1", int(time.time()), BODY))

    assert is_genuine(secret, headers, BODY)
    assert is_genuine(secret, {**headers, "webhook-signature": f"v1,AAAA {headers['webhook-signature']}"}, BODY)


def test_the_example_refuses_everything_else(is_genuine):
    secret, now = make_secret(), int(time.time())
    headers = dict(signed_headers(secret, "id-1", now, BODY))

    assert not is_genuine(secret, headers, BODY + b" ")
    assert not is_genuine(make_secret(), headers, BODY)
    for changes in ({"webhook-id": "id-2"}, {"webhook-timestamp": str(now + 1)}, {"webhook-timestamp": "x"}, {"webhook-signature": "v1,"}):
        assert not is_genuine(secret, {**headers, **changes}, BODY)
    assert not is_genuine(secret, dict(signed_headers(secret, "id-1", now - 600, BODY)), BODY)


def test_the_example_is_formatted_as_the_rest():
    done = subprocess.run([sys.executable, "-m", "ruff", "format", "--check", "-"], cwd=ROOT, input=EXAMPLE, text=True)

    assert done.returncode == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_commands_make_the_same_signature(tmp_path):
    secret = make_secret()
    (tmp_path / "body.json").write_bytes(BODY)
    environment = {"SECRET": secret, "ID": "id-1", "TIMESTAMP": "1700000000", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", BY_HAND], cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert (done.stdout.strip(), done.stderr) == (signature(secret, "id-1", 1700000000, BODY), "")


def test_the_page_tells_the_schedule_as_it_is():
    units = {"s": 1, "min": 60, "h": 3600}
    (told,) = re.findall(r"tried again after (.*?) \(each", PAGE)
    delays = [int(number) * units[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", told)]

    assert delays == list(schedule.DELAYS_S)
    assert f"an attempt may take {ATTEMPT_S:g} seconds" in PAGE

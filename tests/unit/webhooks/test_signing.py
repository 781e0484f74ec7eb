import base64
import hashlib
import hmac

import pytest

from worker.store.webhook_secrets import make_secret
from worker.webhooks.signing import signature, signed_headers


def test_the_signature_is_that_of_other_implementations():
    """A published example of the standard's reference libraries."""
    secret, message_id, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}'

    assert signature(secret, message_id, 1614265330, body) == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_carries_the_three_headers_of_the_standard():
    secret, body = make_secret(), '{"text":"ü"}'.encode()
    headers = dict(signed_headers(secret, "id-1", 1700000000, body))

    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, b"id-1.1700000000." + body, hashlib.sha256).digest()).decode()
    assert headers == {"webhook-id": "id-1", "webhook-timestamp": "1700000000", "webhook-signature": f"v1,{expected}"}


@pytest.mark.parametrize("change", [{"message_id": "id-2"}, {"timestamp": 2}, {"body": b"other"}, {"secret": make_secret()}])
def test_every_part_counts(change: dict):
    facts = {"secret": make_secret(), "message_id": "id-1", "timestamp": 1, "body": b"body"}

    assert signature(**facts) != signature(**{**facts, **change})

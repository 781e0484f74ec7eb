import pytest

from worker.engine.retry import RetryPolicy


def test_retries_up_to_the_configured_extra_attempts():
    policy = RetryPolicy.of("code", {"retry_config": {"retry_enabled": True, "max_retries": 2, "retry_interval": 250}})

    assert policy == RetryPolicy(2, 0.25)
    assert [policy.allows(failed) for failed in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize(
    ("node_type", "config"),
    [
        ("if-else", {"retry_enabled": True, "max_retries": 3}),
        ("code", {"retry_enabled": False, "max_retries": 3}),
        ("code", None),
        ("code", "three"),
        ("code", {"retry_enabled": True, "max_retries": "many"}),
    ],
)
def test_nothing_is_retried_without_a_usable_configuration(node_type, config):
    assert not RetryPolicy.of(node_type, {"retry_config": config}).allows(1)

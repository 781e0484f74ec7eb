"""``PENSTOCK_SANDBOX``: whether anything runs where the sandbox is weak."""

import pytest

from tests.unit.sandbox.observing import error_of, javascript_error_of, run, template_error_of
from worker.config import Config, ConfigError
from worker.sandbox.policy import Policy
from worker.sandbox.runner import SandboxRunner

STRONG = ("rlimits+uid+no-new-privs+seccomp", "rlimits+no-new-privs+landlock+seccomp", "rlimits+uid+no-new-privs+landlock+seccomp")


@pytest.mark.parametrize(
    ("tier", "missing"),
    [
        ("rlimits", "no system call filter (seccomp) and no wall around its files (Landlock, or a user of its own"),
        ("rlimits+no-new-privs+seccomp", "has no wall around its files"),
        ("rlimits+uid+no-new-privs+landlock", "has no system call filter (seccomp). It has"),
    ],
)
def test_required_names_what_is_missing(tier, missing):
    refusal = Policy(is_required=True).refusal(tier)

    assert refusal.startswith("PENSTOCK_SANDBOX is `required`, but ")
    assert missing in refusal
    assert Policy().refusal(tier) is None


@pytest.mark.parametrize("tier", STRONG)
def test_required_is_content_with_a_filter_and_a_wall(tier):
    assert Policy(is_required=True).refusal(tier) is None


def test_nothing_runs_below_what_is_required(monkeypatch):
    monkeypatch.setattr(SandboxRunner, "tier", lambda _: "rlimits")
    runner = SandboxRunner(policy=Policy(is_required=True))
    try:
        for text in (
            error_of(runner, "def main():\n    return 1"),
            javascript_error_of(runner, "const main = () => 1"),
            template_error_of(runner, "{{ 1 }}"),
        ):
            assert text.startswith("PENSTOCK_SANDBOX is `required`")
    finally:
        runner.close()


def test_everything_runs_at_a_tier_that_is_strong_enough():
    runner = SandboxRunner(policy=Policy(is_required=True))
    try:
        if Policy(is_required=True).refusal(runner.tier()):
            pytest.skip("this machine offers no such tier")
        assert run(runner, "def main():\n    return 1") == 1
    finally:
        runner.close()


def test_settings_decide():
    environ = {"PENSTOCK_SANDBOX": "required", "PENSTOCK_SANDBOX_PACKAGES": "json_repair, jieba", "PENSTOCK_SANDBOX_NETWORK": "true"}

    assert Policy.of(Config.from_env(environ)) == Policy(True, ("json_repair", "jieba"), True)
    assert Policy.of(Config.from_env({})) == Policy(False, (), False)


def test_other_words_are_refused():
    with pytest.raises(ConfigError, match="PENSTOCK_SANDBOX is 'strict', but must be `auto` or `required`"):
        Config.from_env({"PENSTOCK_SANDBOX": "strict"})

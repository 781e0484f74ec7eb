"""Which sandboxes the settings open, and what the log says of them."""

import logging

import pytest

from worker.config import Config, ConfigError
from worker.sandbox.opening import Sandboxes
from worker.sandbox.remote import RemoteSandbox


def announced(caplog: pytest.LogCaptureFixture, **environ: str) -> list[tuple[str, str]]:
    sandboxes = Sandboxes.open(Config.from_env(environ))
    try:
        with caplog.at_level(logging.INFO, "worker.sandbox"):
            sandboxes.announce()
    finally:
        sandboxes.close()
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_tier_is_logged(caplog):
    ((level, text),) = announced(caplog)

    assert level == "INFO"
    assert text.startswith("The sandbox of this worker confines by: rlimits")


def test_network_is_warned_of(caplog):
    assert announced(caplog, PENSTOCK_SANDBOX_NETWORK="true")[-1] == (
        "WARNING",
        "Code may use the network, past every guard (PENSTOCK_SANDBOX_NETWORK).",
    )


def test_tier_below_what_is_required_is_an_error(caplog, monkeypatch):
    monkeypatch.setattr("worker.sandbox.runner.SandboxRunner.tier", lambda _: "rlimits")

    ((level, text),) = announced(caplog, PENSTOCK_SANDBOX="required")

    assert level == "ERROR"
    assert "PENSTOCK_SANDBOX is `required`, but on this machine" in text


def test_sandbox_that_does_not_start_is_an_error_but_the_worker_starts(caplog, monkeypatch):
    monkeypatch.setattr("sys.executable", "/no/python")

    ((level, text),) = announced(caplog)

    assert level == "ERROR"
    assert "The sandbox did not start: " in text


def test_code_runs_in_the_service_whose_url_is_set(caplog):
    sandboxes = Sandboxes.open(Config.from_env({"PENSTOCK_SANDBOX_URL": "http://sandbox:8194", "PENSTOCK_SANDBOX_API_KEY": "key"}))

    assert isinstance(sandboxes.code, RemoteSandbox)
    sandboxes.close()
    assert ("INFO", "Code runs in the sandbox service of PENSTOCK_SANDBOX_URL; its limits are its own.") in announced(
        caplog, PENSTOCK_SANDBOX_URL="http://sandbox:8194"
    )


def test_code_runs_here_otherwise():
    sandboxes = Sandboxes.open(Config.from_env({}))

    assert sandboxes.code is sandboxes.local
    sandboxes.close()


def test_settings_that_cannot_be_used_are_refused_before_anything_starts():
    for environ in ({"PENSTOCK_SANDBOX_URL": "sandbox"}, {"PENSTOCK_SANDBOX_PACKAGES": "no-such-thing"}):
        with pytest.raises(ConfigError, match=next(iter(environ))):
            Sandboxes.open(Config.from_env(environ))

import uuid

import pytest

from worker.engine.events import ROOT, Scope
from worker.engine.identity import execution_id, idempotency_key

RUN = "0a6a1d1c-5a43-4d3f-9f0e-3c2b1a09f8e7"
DEEP = Scope(iteration_id="it", iteration_index=3, path=(("it", 3), ("lap", 0)))


def test_a_key_names_run_node_pass_and_configured_retry() -> None:
    assert idempotency_key(RUN, ROOT, "1720000000000", 0) == f"{RUN}:1720000000000"
    assert idempotency_key(RUN, DEEP, "call", 0) == f"{RUN}:call:it.3/lap.0"
    assert idempotency_key(RUN, DEEP, "call", 2) == f"{RUN}:call:it.3/lap.0:retry-2"


def test_a_key_is_ascii_without_blanks_and_not_long() -> None:
    assert idempotency_key(RUN, ROOT, "größe 1:2", 0) == f"{RUN}:gr%C3%B6%C3%9Fe%201%3A2"
    long = idempotency_key(RUN, ROOT, "n" * 300, 1)
    assert long == f"{RUN}:{execution_id(RUN, ROOT, 'n' * 300)}:retry-1"


def test_ids_of_executions_stay_what_they_were_in_every_release() -> None:
    """A run that another release began is resumed by them."""
    assert execution_id(RUN, ROOT, "1720000000000") == "3406d8a6-a806-49dc-a875-5e0cf6fc0290"
    assert execution_id(RUN, DEEP, "call") == "f018c547-7f10-42ed-841f-a37ae4762a19"


@pytest.mark.parametrize("number", range(64))
def test_ids_of_executions_are_uuids_of_version_4(number: int) -> None:
    made = execution_id(RUN, DEEP, f"n{number}")
    assert made == str(uuid.UUID(made)) == str(uuid.UUID(bytes=uuid.UUID(made).bytes, version=4))

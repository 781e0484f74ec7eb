"""Ids from outside."""

import pytest

from worker.store.identifiers import canonical_id


def test_a_uuid_is_lower_case() -> None:
    assert canonical_id("0F1E2D3C-4B5A-4978-8695-A4B3C2D1E0FF") == "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0ff"


@pytest.mark.parametrize(
    "text",
    ["", "draft", "0f1e2d3c4b5a49788695a4b3c2d1e0ff", "{0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0ff}", "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0ff\n"],
)
def test_other_texts_are_no_ids(text: str) -> None:
    assert canonical_id(text) is None

"""Conditions on the metadata of documents."""

import pytest

from worker.engine.knowledge import METADATA_OPERATORS, MetadataCondition, MetadataFilter
from worker.knowledge.filters import NEGATIONS, OPERATORS, fits

METADATA = {"kind": "faq, internal", "year": 2024, "added": "2024-05-01", "blank": "", "stamp": 1714521600}


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("kind", "contains", "faq", True),
        ("kind", "contains", "FAQ", False),
        ("kind", "not contains", "faq", False),
        ("kind", "start with", "faq", True),
        ("kind", "end with", "internal", True),
        ("kind", "is", "faq, internal", True),
        ("kind", "is not", "faq", True),
        ("year", "is", "2024", True),
        ("year", "=", "2024.0", True),
        ("year", "≠", 2024, False),
        ("year", ">", "2023", True),
        ("year", "<", 2024, False),
        ("year", "≥", 2024, True),
        ("year", "≤", "2024", True),
        ("year", ">", "many", False),
        ("year", "in", "2023, 2024", True),
        ("year", "in", ["2023"], False),
        ("year", "not in", ["2023"], True),
        ("added", "after", "2024-04-30", True),
        ("added", "before", "2024-05-01T12:00:00+02:00", True),
        ("stamp", "after", "2024-04-30", True),
        ("blank", "empty", None, True),
        ("blank", "not empty", None, False),
        ("absent", "empty", None, True),
        ("absent", "is", "", False),
        ("absent", "contains", "", False),
        ("absent", "is not", "x", True),
        ("absent", ">", 0, False),
    ],
)
def test_one_condition(name, operator, value, expected):
    assert fits(MetadataFilter("and", [MetadataCondition(name, operator, value)]), METADATA) is expected


def test_conditions_are_joined_by_their_logic():
    conditions = [MetadataCondition("year", "is", 2024), MetadataCondition("year", "is", 2023)]

    assert not fits(MetadataFilter("and", conditions), METADATA)
    assert fits(MetadataFilter("or", conditions), METADATA)


def test_no_filter_and_no_conditions_let_everything_pass():
    assert fits(None, {})
    assert fits(MetadataFilter("or", []), {})


def test_every_operator_of_documents_is_known():
    assert set(METADATA_OPERATORS) == set(OPERATORS) | set(NEGATIONS) | {"empty", "not empty"}

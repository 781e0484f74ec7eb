import click
import pytest

from app.cli.ages import Age


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("90m", 5400), ("12h", 43200), ("30d", 2_592_000), (" 0.5D ", 43200), ("0s", 0)]
)
def test_ages_are_numbers_with_a_unit(text, seconds):
    assert Age().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1w", "nand", "infd", "1 d d"])
def test_anything_else_is_refused(text):
    with pytest.raises(click.BadParameter, match="no age such as"):
        Age().convert(text, None, None)

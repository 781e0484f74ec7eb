import math

import pytest

from tests.bench.figures import Figure, Figures, Name, percentile, ratio


@pytest.mark.parametrize(("part", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_a_value_that_occurred(part, value):
    assert percentile(list(range(100, 0, -1)), part) == value


def test_one_value_is_every_percentile():
    assert percentile([7.0], 0.5) == percentile([7.0], 0.99) == 7.0


def test_nothing_has_no_percentile():
    assert math.isnan(percentile([], 0.5))


def test_nothing_is_no_yardstick():
    assert math.isnan(ratio(1.0, 0.0))


def test_a_figure_is_the_median_of_its_samples_and_their_spread():
    figure = Figure((10.0, 30.0, 20.0))

    assert (figure.value, figure.low, figure.high, figure.spread) == (20.0, 10.0, 30.0, 0.5)


def test_samples_that_were_taken_in_turns_are_compared_one_by_one():
    # The machine was twice as slow in the second round: for both of them.
    product, yardstick = Figure((300.0, 150.0, 303.0)), Figure((200.0, 100.0, 202.0))

    assert product.over(yardstick).samples == (1.5, 1.5, 1.5)


def test_other_samples_are_compared_by_their_medians():
    assert Figure((300.0, 310.0, 290.0)).over(Figure((200.0,))).value == 1.5


def test_samples_of_one_figure_add_up_and_rows_keep_their_order():
    figures = Figures()
    for row, value in (("b", 1.0), ("a", 2.0), ("b", 3.0)):
        figures.add("case", row, "ms", value)

    assert figures.get(Name("case", "b", "ms")) == Figure((1.0, 3.0))
    assert list(figures.rows("case")) == ["b", "a"]
    assert figures.get(Name("case", "c", "ms")) is None

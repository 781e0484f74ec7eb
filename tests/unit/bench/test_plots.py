import re

import pytest

from tests.bench.plots import bars, lines, nice_top


@pytest.mark.parametrize(("value", "top"), [(0.0, 1.0), (0.3, 0.4), (1.0, 1.0), (730.0, 800.0), (810.0, 1000.0)])
def test_an_axis_ends_at_a_round_number(value, top):
    assert nice_top(value) == pytest.approx(top)


def test_a_line_goes_from_edge_to_edge_and_up_with_its_values():
    plot = lines("runs/s", {"start-end": [(1.0, 0.0), (8.0, 50.0), (64.0, 100.0)]}, "clients")

    (points,) = re.findall(r'points="([^"]+)"', plot)
    assert points == "60.0,260.0 235.0,145.0 410.0,30.0"


def test_bars_stand_on_each_other():
    plot = bars("CPU", {"start-end": {"web": 25.0, "worker": 75.0}})

    assert re.findall(r'y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', plot)[-2:] == [("202.5", "57.5"), ("30.0", "172.5")]


def test_names_are_escaped():
    assert "&lt;b&gt;" in lines("<b>", {"a": [(1.0, 1.0)]}, "x")

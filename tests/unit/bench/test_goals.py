import pytest

from tests.bench.figures import Figures, Name
from tests.bench.goals import GOALS, Goal, judge


def figures(**values):
    found = Figures()
    for row, value in values.items():
        found.add("case", row.replace("_", " "), "runs/s", value)
    return found


RATIO = Goal("faster", Name("case", "{database} product", "runs/s"), Name("case", "{database} hello", "runs/s"), at_least=1.5)
BOUND = Goal("quick", Name("case", "start", "runs/s"), at_most=2.0, unit="s")


def test_a_ratio_is_judged_for_each_database():
    measured = figures(sqlite_product=320.0, sqlite_hello=200.0, postgresql_product=280.0, postgresql_hello=200.0)

    verdicts = judge(measured, [RATIO], ["sqlite", "postgresql"])

    assert [(verdict.database, verdict.figure.value, verdict.is_met) for verdict in verdicts] == [
        ("sqlite", 1.6, True),
        ("postgresql", 1.4, False),
    ]
    assert verdicts[1].missed_by == pytest.approx(0.1 / 1.5)


def test_a_figure_without_its_yardstick_is_not_measured():
    (verdict,) = judge(figures(sqlite_product=320.0), [RATIO], ["sqlite"])

    assert (verdict.figure, verdict.is_met, verdict.missed_by) == (None, False, 0.0)


@pytest.mark.parametrize(("value", "is_met", "missed_by"), [(1.9, True, 0.0), (2.0, True, 0.0), (3.0, False, 0.5)])
def test_a_bound_is_judged_once(value, is_met, missed_by):
    (verdict,) = judge(figures(start=value), [BOUND], ["sqlite", "postgresql"])

    assert (verdict.database, verdict.is_met, verdict.missed_by) == ("", is_met, missed_by)


def test_goals_say_what_is_wanted():
    assert (RATIO.wanted, BOUND.wanted) == ("≥ 1.5", "≤ 2 s")
    assert len({goal.measure for goal in GOALS}) == len(GOALS)

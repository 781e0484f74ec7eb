import io
import json
from html.parser import HTMLParser

from rich.console import Console

from tests.bench.figures import Figures
from tests.bench.goals import GOALS, judge
from tests.bench.report import Report, short, write


def measured():
    figures = Figures()
    for round_ in (1.0, 2.0):
        for clients in (8, 32):
            for workload, per_s in (("hello", 200.0), ("start-end", 320.0)):
                row = f"sqlite {workload} blocking {clients}"
                figures.add("runs", row, "runs/s", per_s / round_)
                figures.add("runs", row, "web CPU µs", 1000.0)
    return figures


def report():
    figures = measured()
    return Report(
        figures, judge(figures, GOALS, ["sqlite"]), {"at": "2026-01-02T03:04:05+00:00"}, "./deploy/bench <runs>", {}, {"soak": "no"}
    )


def test_goals_come_first_then_ratios_then_figures():
    titles = [title for title, *_ in report().tables()]

    assert titles == ["Goals", "Beside the hello-world view, same clients", "runs", "runs: processor time of each run, by processes"]


def test_the_ratio_of_each_round_is_shown_and_its_yardstick_is_not():
    _, (_, _, ratios), *_ = report().tables()

    assert ratios == [["sqlite start-end blocking 8", "1.6", "", ""], ["sqlite start-end blocking 32", "1.6", "", ""]]


def test_the_spread_stands_beside_the_median():
    *_, (_, _, runs), _ = report().tables()

    assert runs[0] == ["sqlite hello blocking 8", "150 ±33%"]


def test_numbers_have_three_digits_that_count():
    assert [short(value) for value in (0.01234, 12.345, 1234.5, 3.0, float("nan"))] == ["0.0123", "12.3", "1,234", "3", "-"]


def test_json_has_every_sample_and_every_goal(tmp_path):
    path, _ = write(report(), tmp_path)

    told = json.loads(path.read_text())
    assert path.name == "2026-01-02T030405Z.json"
    assert told["figures"][0] == {
        "case": "runs",
        "row": "sqlite hello blocking 8",
        "column": "runs/s",
        "value": 150.0,
        "low": 100.0,
        "high": 200.0,
        "samples": [200.0, 100.0],
    }
    assert [goal["value"] for goal in told["goals"] if goal["is_met"]] == [1.6]
    assert told["notes"]["soak failed"] == "no"


def test_the_page_is_whole_and_needs_nothing_beside_it(tmp_path):
    _, path = write(report(), tmp_path)
    page = path.read_text()

    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.count["svg"] == 3
    assert "./deploy/bench &lt;runs&gt;" in page
    assert "http" not in page.replace("http-", "")


def test_everything_is_shown_on_a_terminal():
    console = Console(width=200, record=True, file=io.StringIO())

    report().show(console)

    assert "blocking start→end at 32 clients / hello-world view" in console.export_text()


class Tags(HTMLParser):
    """Which elements are open, and how many there were."""

    VOID = ("meta",)

    def __init__(self):
        super().__init__()
        self.open = []
        self.count = {}

    def handle_starttag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

"""What the product is to reach, as data, and whether it did."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.bench.figures import Figure, Figures, Name


@dataclass(frozen=True, slots=True)
class Goal:
    """``{database}`` in a name stands for each database that was measured."""

    measure: str
    name: Name
    #: The figure is a ratio to this one.
    over: Name | None = None
    at_least: float = -math.inf
    at_most: float = math.inf
    unit: str = ""

    @property
    def is_ratio(self) -> bool:
        return self.over is not None

    @property
    def wanted(self) -> str:
        bounds = [f"≥ {self.at_least:g}"] if math.isfinite(self.at_least) else []
        bounds += [f"≤ {self.at_most:g}"] if math.isfinite(self.at_most) else []
        return f"{', '.join(bounds)} {self.unit}".strip()


@dataclass(frozen=True, slots=True)
class Verdict:
    goal: Goal
    #: "" if the database plays no part.
    database: str
    #: None: it was not measured.
    figure: Figure | None

    @property
    def is_met(self) -> bool:
        return self.figure is not None and self.goal.at_least <= self.figure.value <= self.goal.at_most

    @property
    def missed_by(self) -> float:
        """How far from the nearest bound, as a part of that; 0: not at all."""
        if self.figure is None or self.is_met:
            return 0.0
        value = self.figure.value
        bound = self.goal.at_least if value < self.goal.at_least else self.goal.at_most
        return abs(value - bound) / abs(bound) if bound else math.inf


def judge(figures: Figures, goals: Sequence[Goal], databases: Sequence[str]) -> list[Verdict]:
    return [verdict for goal in goals for verdict in judge_one(figures, goal, databases)]


def judge_one(figures: Figures, goal: Goal, databases: Sequence[str]) -> Iterator[Verdict]:
    for database in databases if "{database}" in goal.name.row else [""]:
        one = figures.get(for_database(goal.name, database))
        other = figures.get(for_database(goal.over, database)) if goal.over else None
        if one is not None and other is not None:
            yield Verdict(goal, database, one.over(other))
        else:
            yield Verdict(goal, database, None if goal.over else one)


def for_database(name: Name, database: str) -> Name:
    return name._replace(row=name.row.replace("{database}", database))


def runs(workload: str, mode: str, clients: int, column: str) -> Name:
    return Name("runs", f"{{database}} {workload} {mode} {clients}", column)


GOALS = (
    Goal(
        "blocking start→end at 32 clients / hello-world view",
        runs("start-end", "blocking", 32, "runs/s"),
        runs("hello", "blocking", 32, "runs/s"),
        at_least=1.5,
    ),
    Goal(
        "blocking ten pure nodes / start→end at 32 clients, runs/s",
        runs("ten-pure", "blocking", 32, "runs/s"),
        runs("start-end", "blocking", 32, "runs/s"),
        at_least=0.85,
    ),
    Goal(
        "one run alone, blocking start→end p50 / hello-world view alone p50",
        runs("start-end", "blocking", 1, "p50 ms"),
        runs("hello", "blocking", 1, "p50 ms"),
        at_most=1.2,
    ),
    Goal(
        "time to first event at 8 clients, p95 / bare `delay().get()` p50",
        runs("start-end", "streaming", 8, "started p95 ms"),
        runs("bare-celery", "-", 1, "p50 ms"),
        at_most=4,
    ),
    Goal("five parallel 50 ms branches, one client, whole run", runs("five-branches", "blocking", 1, "p50 ms"), at_most=65, unit="ms"),
    Goal("the same at 32 clients", runs("five-branches", "blocking", 32, "runs/s"), at_least=150, unit="runs/s"),
    Goal("engine: per pure node, chain of 10", Name("engine", "chain of 10", "µs/node"), at_most=15, unit="µs"),
    Goal("engine: per pure node, chain of 1,000", Name("engine", "chain of 1000", "µs/node"), at_most=15, unit="µs"),
    Goal(
        "engine: per pure node, chain of 1,000 / chain of 10",
        Name("engine", "chain of 1000", "µs/node"),
        Name("engine", "chain of 10", "µs/node"),
        at_least=0.8,
        at_most=1.2,
    ),
    Goal(
        "engine against graphon, ten pure nodes",
        Name("engine", "graphon chain of 10", "elapsed µs/node"),
        Name("engine", "chain of 10", "elapsed µs/node"),
        at_least=50,
    ),
    Goal("code node, warm, added time at the median", Name("added", "{database}", "one code node ms"), at_most=5, unit="ms"),
    Goal("5,000 open streams on one API process: lost events", Name("streams", "5000", "lost"), at_most=0, unit="events"),
    Goal("5,000 open streams: memory of each", Name("streams", "5000", "KB/stream"), at_most=50, unit="KB"),
    Goal("5,000 open streams: publish to client, p99", Name("streams", "5000", "p99 ms"), at_most=50, unit="ms"),
    Goal("1,000 waiting runs in one worker: memory of each", Name("waiting", "1000 runs", "KB/run"), at_most=150, unit="KB"),
    Goal(
        "a short run beside them, p95 / alone, p95",
        Name("waiting", "1000 runs", "short run p95 ms"),
        Name("waiting", "none", "short run p95 ms"),
        at_most=2,
    ),
    Goal(
        "4 workers / 1 worker, waiting runs",
        Name("scale", "1 API, 4 workers", "steady runs/s"),
        Name("scale", "1 API, 1 worker", "steady runs/s"),
        at_least=3.6,
    ),
    Goal("`penstock up` to ready, first start", Name("start", "penstock up, first", "s"), at_most=2.5, unit="s"),
    Goal("idle memory of API + worker", Name("start", "API + worker", "idle MB"), at_most=180, unit="MB"),
    Goal("memory of the API after all runs / after 1,000", Name("soak", "end", "web MB"), Name("soak", "begin", "web MB"), at_most=1.1),
    Goal(
        "memory of the worker after all runs / after 1,000",
        Name("soak", "end", "worker MB"),
        Name("soak", "begin", "worker MB"),
        at_most=1.1,
    ),
)

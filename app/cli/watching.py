"""How a run is shown while it happens: a live tree on a terminal, lines elsewhere, or the wire's JSON."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import click

from worker.bus.wire import Envelope, encode
from worker.engine.events import (
    ContainerCompleted,
    ContainerStarted,
    Event,
    NodeFinished,
    NodeRetried,
    NodeStarted,
    NodeStatus,
    RunFinished,
)

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text
    from rich.tree import Tree

MARKS = {"running": "…", "succeeded": "✓", "failed": "✗", "exception": "!", "retry": "↻"}
STYLES = {"running": "yellow", "succeeded": "green", "failed": "red", "exception": "magenta", "retry": "yellow"}

#: Between two tracebacks: Python tells the last exception last.
CHAINED = re.compile(r"^(?:During handling of the above exception|The above exception was the direct cause).*$", re.MULTILINE)

#: ``Scope.path``, then the node's id; "" for the round itself.
Key = tuple[tuple[tuple[str, int], ...], str]


class View(Protocol):
    """Sees a run's events in order, from one thread."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None:
        """The run is over, waits for a person or will not go on; may be called twice."""

    def open(self) -> None:
        """The run goes on after ``close``."""


@dataclass(slots=True)
class WireView:
    """One line of JSON an event, as in a stream of the API."""

    envelope: Envelope

    def show(self, event: Event) -> None:
        click.echo(encode(event, self.envelope))

    def close(self) -> None:
        """Nothing is left to print."""

    def open(self) -> None:
        """Nothing was closed."""


class LineView:
    """One line on stderr for each node that ended."""

    def show(self, event: Event) -> None:
        if isinstance(event, NodeFinished | ContainerCompleted):
            mark, indent = MARKS.get(event.status, "·"), "  " * len(event.scope.path)
            click.echo(f"{indent}{mark} {event.title or event.node_id}  {seconds(event.elapsed_s)}{_reason(event.error)}", err=True)

    def close(self) -> None:
        """Nothing is left to print."""

    def open(self) -> None:
        """Nothing was closed."""


@dataclass(slots=True)
class Line:
    """A node of the tree, or a round of a container."""

    title: str
    node_type: str = ""
    status: str = ""
    #: Monotonic.
    started_at: float = field(default_factory=time.monotonic)
    elapsed_s: float = 0.0
    retries: int = 0
    error: str | None = None
    below: list[Line] = field(default_factory=list)


class TreeView:
    """The nodes of a run with their times on stderr, drawn anew while they run."""

    def __init__(self, name: str) -> None:
        self._top = Line(name)
        self._lines: dict[Key, Line] = {}
        self._live = self._made()
        self.open()

    def _made(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        return Live(console=Console(stderr=True), get_renderable=self.tree, refresh_per_second=10)

    def show(self, event: Event) -> None:
        if isinstance(event, NodeStarted | ContainerStarted):
            line = Line(event.title or event.node_id, event.node_type, NodeStatus.RUNNING)
            self._lines[event.scope.path, event.node_id] = line
            self._parent(event.scope.path).below.append(line)
        elif isinstance(event, NodeFinished | ContainerCompleted):
            self._end(self._lines[event.scope.path, event.node_id], event)
        elif isinstance(event, RunFinished):
            self._top.title += f"  {event.status} in {seconds(event.elapsed_s)}"

    def _end(self, line: Line, event: NodeFinished | ContainerCompleted) -> None:
        line.error = event.error
        if isinstance(event, NodeRetried):
            line.retries = event.retry_index
        else:
            line.status, line.elapsed_s = event.status, event.elapsed_s

    def _parent(self, path: tuple[tuple[str, int], ...]) -> Line:
        """What the nodes of a frame hang on: the run, or a round of the container around them."""
        if not path:
            return self._top
        if (path, "") not in self._lines:
            container_id, index = path[-1]
            self._lines[path, ""] = Line(f"round {index + 1}")
            self._lines[path[:-1], container_id].below.append(self._lines[path, ""])
        return self._lines[path, ""]

    def tree(self) -> Tree:
        from rich.tree import Tree

        tree = Tree(_label(self._top))
        _hang(tree, self._top)
        return tree

    def close(self) -> None:
        self._live.stop()

    def open(self) -> None:
        self._live.start()


def _hang(tree: Tree, line: Line) -> None:
    # A copy: the drawing thread must not meet a list that grows.
    for below in list(line.below):
        _hang(tree.add(_label(below)), below)


def _label(line: Line) -> Text:
    from rich.text import Text

    if not line.status:
        return Text(line.title, style="bold" if not line.node_type and line.below else "")
    is_running = line.status == NodeStatus.RUNNING
    elapsed_s = time.monotonic() - line.started_at if is_running else line.elapsed_s
    again = f"  retry {line.retries}" if line.retries else ""
    return Text.assemble(
        (MARKS.get(line.status, "·"), STYLES.get(line.status, "")),
        f" {line.title}  ",
        (f"{line.node_type}  {seconds(elapsed_s)}{again}", "dim"),
        (_reason(line.error), "red"),
    )


def seconds(elapsed_s: float) -> str:
    return f"{elapsed_s:.2f} s" if elapsed_s >= 1 else f"{elapsed_s * 1000:.0f} ms"


def brief(error: str) -> str:
    """An error text in one line; of a traceback, what it ends with."""
    error = CHAINED.split(error)[-1]
    noise = ("Traceback", " ", "error: exit status")
    told = [line for line in error.splitlines() if line.strip() and not line.startswith(noise)]
    return " ".join(" ".join(told or [error]).split())


def _reason(error: str | None) -> str:
    return f"  {brief(error)}" if error else ""

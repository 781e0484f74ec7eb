"""Whole workflows: a document in, outputs and streamed text out, over the nodes, the sandbox and the HTTP client that a worker has."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.services import documents
from tests.services.documents import Document, bindings, condition
from tests.unit.nodes.http_world import RUN_ID, MemoryFiles
from tests.unit.outbound.web import Answer, Seen, WebServer
from worker.engine.dsl import read_workflow
from worker.engine.events import Event, NodeFinished, NodeStarted, RunFinished, RunStarted, RunStatus, TextChunk
from worker.engine.execution import Threads
from worker.engine.form import Form
from worker.engine.graph import compile_graph
from worker.engine.inbox import Inbox
from worker.engine.memory import MemoryJournal, SystemClock
from worker.engine.ports import Ports
from worker.engine.response import ResponsePlan
from worker.engine.run import WorkflowRun
from worker.engine.start import RunStart
from worker.nodes.registry import Registry
from worker.outbound.client import GuardedClient
from worker.sandbox.runner import SandboxRunner

LIST = "def main():\n    return {'result': [1, 2, 3]}\n"
PAIR = "def main(number):\n    return {'output': [number, number * 2]}\n"


@dataclass(frozen=True)
class Told:
    """What became of a run, and what it told meanwhile."""

    finished: RunFinished
    events: list[Event]

    @property
    def outputs(self) -> dict[str, Any]:
        assert self.finished.status is RunStatus.SUCCEEDED, self.finished.error
        return dict(self.finished.outputs)

    @property
    def chunks(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, TextChunk)]

    @property
    def started(self) -> list[str]:
        return [event.node_id for event in self.events if isinstance(event, NodeStarted)]

    @property
    def story(self) -> list[str]:
        return [line for event in self.events if (line := line_of(event))]


def line_of(event: Event) -> str:
    """``+ node`` when it starts, ``- node`` when it ends, and text in quotes."""
    match event:
        case RunStarted():
            return "run"
        case NodeStarted():
            return f"+ {event.node_id}"
        case NodeFinished():
            return f"- {event.node_id}"
        case TextChunk():
            return repr(event.text)
    return ""


class Engine:
    def __init__(self, code: SandboxRunner, http: GuardedClient) -> None:
        self._ports = Ports(http=http, code=code, templates=code, documents=None, files=MemoryFiles(), clock=SystemClock())
        self._registry = Registry()
        self._threads = Threads(idle_s=0.2)

    def run(self, document: Document, **inputs: Any) -> Told:
        """A run of a document that may be imported, with inputs that its form accepts."""
        workflow = read_workflow(document, self._registry)
        graph = compile_graph(workflow, self._registry)
        values = Form.of(workflow).prepare(inputs, resolve_file=None, validate_schema=None)
        now = self._ports.clock.now()
        start = RunStart(RUN_ID, "app-1", values, {"user_id": "tester"}, {}, created_at=now)
        journal = MemoryJournal()
        parts = {"ports": self._ports, "journal": journal, "inbox": Inbox(), "threads": self._threads}
        return Told(WorkflowRun(graph, ResponsePlan.of(graph), start, **parts).execute(), journal.events)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxRunner]:
    runner = SandboxRunner()
    yield runner
    runner.close()


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        server.routes["/"] = lambda seen, answer: answer.send(b"hello", content_type="text/plain")
        yield server


@pytest.fixture
def engine(sandbox: SandboxRunner) -> Iterator[Engine]:
    client = GuardedClient(("127.0.0.1/32",))
    yield Engine(sandbox, client)
    client.close()


# Straight through


def passthrough() -> Document:
    return documents.chain("passthrough", [documents.start(documents.variable("query")), documents.end(answer=["start", "query"])])


@pytest.mark.parametrize("text", ["hello", "", "多语言 🎉 é\n\ttab", "x" * 5000], ids=["word", "empty", "unicode", "long"])
def test_a_text_passes_through_unchanged(engine: Engine, text: str) -> None:
    told = engine.run(passthrough(), query=text)

    assert (told.outputs, told.chunks) == ({"answer": text}, [text])


def test_an_output_is_told_before_the_node_that_made_it_has_ended(engine: Engine) -> None:
    """Its end node says no ``value_type``, as exports of newer editors."""
    assert engine.run(passthrough(), query="hi").story == ["run", "+ start", "'hi'", "- start", "+ end", "- end"]


def test_texts_around_an_answers_value_are_chunks_of_their_own(engine: Engine) -> None:
    answer = documents.node("answer", "answer", answer="before {{#start.query#}} after")
    told = engine.run(documents.chain("answer", [documents.start(documents.variable("query")), answer]), query="Hello, world")

    assert told.outputs == {"answer": "before Hello, world after"}
    assert told.story[:6] == ["run", "+ start", "'before '", "'Hello, world'", "' after'", "- start"]


# Branches


def two_ends() -> Document:
    nodes = [
        documents.start(documents.variable("query")),
        documents.if_else("if", condition(["start", "query"], "contains", "good")),
        documents.end("yes", yes=["start", "query"]),
        documents.end("no", no=["start", "query"]),
    ]
    return documents.workflow("two_ends", nodes, [("start", "if"), ("if", "yes", "true"), ("if", "no", "false")])


@pytest.mark.parametrize(
    ("query", "outputs", "ran"),
    [
        ("a good day", {"yes": "a good day"}, ["start", "if", "yes"]),
        ("a bad day", {"no": "a bad day"}, ["start", "if", "no"]),
        ("", {"no": ""}, ["start", "if", "no"]),
    ],
)
def test_only_the_end_of_the_branch_taken_counts(engine: Engine, query: str, outputs: dict[str, str], ran: list[str]) -> None:
    told = engine.run(two_ends(), query=query)

    assert (told.outputs, told.started, told.chunks) == (outputs, ran, [query])


def say(node_id: str) -> documents.Node:
    return documents.code(node_id, f"def main():\n    return {{'output': 'said by {node_id}'}}\n", {"output": "string"})


def shared_middle() -> Document:
    """``b`` hangs on both handles of the branch, ``a`` and ``c`` on one each; all three lead to the end."""
    nodes = [
        documents.start(documents.variable("switch", "number")),
        documents.if_else("if", condition(["start", "switch"], "=", "1", "number")),
        *(say(name) for name in "abc"),
        documents.end(a=["a", "output"], b=["b", "output"], c=["c", "output"]),
    ]
    branches = [("if", "a", "true"), ("if", "b", "true"), ("if", "b", "false"), ("if", "c", "false")]
    return documents.workflow("shared_middle", nodes, [("start", "if"), *branches, *((name, "end") for name in "abc")])


@pytest.mark.parametrize(
    ("switch", "outputs", "chunks"),
    [
        (1, {"a": "said by a", "b": "said by b", "c": None}, ["said by a", "\n", "said by b", "\n"]),
        (0, {"a": None, "b": "said by b", "c": "said by c"}, ["\n", "said by b", "\n", "said by c"]),
    ],
)
def test_a_node_on_both_branches_runs_once_and_skipped_nodes_give_null(
    engine: Engine, switch: int, outputs: dict[str, Any], chunks: list[str]
) -> None:
    told = engine.run(shared_middle(), switch=switch)

    assert (told.outputs, told.chunks) == (outputs, chunks)
    assert sorted(told.started) == sorted(["start", "if", "end", *(name for name, value in outputs.items() if value)])


def two_switches() -> Document:
    """Each switch chooses between two templates; an aggregator takes what was chosen, a group for each switch."""
    switches = [documents.variable(name, "number", required=True) for name in ("one", "two")]
    branches = [documents.if_else(f"if_{name}", condition(["start", name], "=", "1", "number")) for name in ("one", "two")]
    texts = [documents.template(f"{name}_{state}", f"{name} is {state}") for name in ("one", "two") for state in ("on", "off")]
    groups = {name: [[f"{name}_on", "output"], [f"{name}_off", "output"]] for name in ("one", "two")}
    nodes = [documents.start(*switches), *branches, *texts, documents.aggregator("both", **groups)]
    end = documents.end(first=["both", "one", "output"], second=["both", "two", "output"])
    edges = [("start", "if_one"), ("start", "if_two"), *((text["id"], "both") for text in texts), ("both", "end")]
    handles = [(f"if_{name}", f"{name}_{state}", handle) for name in ("one", "two") for state, handle in (("on", "true"), ("off", "false"))]
    return documents.workflow("two_switches", [*nodes, end], [*edges, *handles])


@pytest.mark.parametrize("one", [0, 1])
@pytest.mark.parametrize("two", [0, 1])
def test_an_aggregator_takes_what_each_branch_chose(engine: Engine, one: int, two: int) -> None:
    told = engine.run(two_switches(), one=one, two=two)

    first, second = f"one is {'on' if one else 'off'}", f"two is {'on' if two else 'off'}"
    assert (told.outputs, told.chunks) == ({"first": first, "second": second}, [first, "\n", second])


def fast_or_slow(url: str) -> Document:
    """One end tells the query and a template, the other the query and what a server says."""
    nodes = [
        documents.start(documents.variable("query"), documents.variable("is_fast", "number")),
        documents.if_else("if", condition(["start", "is_fast"], "=", "1", "number")),
        documents.template("fast", "<{{ it }}>", it=["start", "query"]),
        documents.http_get("slow", url),
        documents.end("end_fast", query=["start", "query"], text=["fast", "output"]),
        documents.end("end_slow", query=["start", "query"], text=["slow", "body"]),
    ]
    edges = [("start", "if"), ("if", "fast", "true"), ("if", "slow", "false"), ("fast", "end_fast"), ("slow", "end_slow")]
    return documents.workflow("fast_or_slow", nodes, edges)


def test_the_text_of_the_end_taken_is_told_as_its_values_come(engine: Engine, web: WebServer) -> None:
    told = engine.run(fast_or_slow(web.url), query="hi", is_fast=1)

    assert (told.outputs, told.chunks) == ({"query": "hi", "text": "<hi>"}, ["hi", "\n", "<hi>"])


def test_a_value_is_told_while_the_next_one_is_waited_for(engine: Engine, web: WebServer) -> None:
    told = engine.run(fast_or_slow(web.url), query="hi", is_fast=0)

    assert told.outputs == {"query": "hi", "text": "hello"}
    start_of_slow = told.story.index("+ slow")
    assert told.story[start_of_slow - 3 : start_of_slow] == ["'hi'", "'\\n'", "- if"]
    assert told.story[start_of_slow:] == ["+ slow", "'hello'", "- slow", "+ end_slow", "- end_slow"]


# Containers


def over_a_list(inner: documents.Node, **more: Any) -> Document:
    """A code node makes ``[1, 2, 3]``, an iteration goes through it, and the end tells what came of it."""
    numbers = documents.code("numbers", LIST, {"result": "array[number]"})
    nodes = [
        documents.start(),
        numbers,
        *documents.iteration("it", ["numbers", "result"], inner, **more),
        documents.end(output=["it", "output"]),
    ]
    edges = [("start", "numbers"), ("numbers", "it"), documents.container_edge("it", inner), ("it", "end")]
    return documents.workflow("over_a_list", nodes, edges)


def test_each_item_is_put_into_a_template(engine: Engine) -> None:
    document = over_a_list(documents.template("text", "output: {{ item }}", item=["it", "item"]))

    assert engine.run(document).outputs == {"output": ["output: 1", "output: 2", "output: 3"]}


@pytest.mark.parametrize("is_parallel", [False, True])
@pytest.mark.parametrize(
    ("flatten", "output"),
    [({}, [1, 2, 2, 4, 3, 6]), ({"flatten_output": True}, [1, 2, 2, 4, 3, 6]), ({"flatten_output": False}, [[1, 2], [2, 4], [3, 6]])],
    ids=["unsaid", "enabled", "disabled"],
)
def test_lists_of_an_iteration_are_joined_unless_that_is_switched_off(
    engine: Engine, flatten: dict[str, bool], output: list[Any], is_parallel: bool
) -> None:
    pair = documents.code("pair", PAIR, {"output": "array[number]"}, variables=bindings(number=["it", "item"]))
    told = engine.run(over_a_list(pair, is_parallel=is_parallel, **flatten))

    assert told.outputs == {"output": output}
    assert told.started.count("pair") == 3


def counted(rounds: int, limit: int) -> Document:
    """Adds one to a number that begins at 1, until it reaches the limit."""
    inner = documents.add("add", ["loop", "number"], 1)
    settings = {
        "loop_variables": [{"id": "v", "label": "number", "value_type": "constant", "value": "1", "var_type": "number"}],
        "break_conditions": [condition(["loop", "number"], "≥", str(limit), "number")],
    }
    nodes = [documents.start(), *documents.loop("loop", rounds, inner, **settings), documents.end(number=["loop", "number"])]
    return documents.workflow("counted", nodes, [("start", "loop"), documents.container_edge("loop", inner), ("loop", "end")])


@pytest.mark.parametrize(
    ("rounds", "limit", "number", "times"), [(10, 5, 5, 4), (3, 5, 4, 3), (10, 1, 1, 0)], ids=["broken", "used up", "never begun"]
)
def test_a_loop_counts_until_its_condition_holds(engine: Engine, rounds: int, limit: int, number: int, times: int) -> None:
    told = engine.run(counted(rounds, limit))

    assert (told.outputs, told.started.count("add")) == ({"number": number}, times)


# The world outside


def test_a_servers_json_is_read_by_code(engine: Engine, web: WebServer) -> None:
    def answer(seen: Seen, answer: Answer) -> None:
        answer.send(json.dumps({"path": seen.target, "list": [{"a": "ü"}]}).encode(), content_type="application/json")

    web.routes["/data"] = answer
    parse = "import json\n\ndef main(text):\n    return {'parsed': json.loads(text)}\n"
    nodes = [
        documents.start(documents.variable("url")),
        documents.http_get("call", "{{#start.url#}}"),
        documents.code("parse", parse, {"parsed": "object"}, variables=bindings(text=["call", "body"])),
        documents.end(status=["call", "status_code"], parsed=["parse", "parsed"]),
    ]
    told = engine.run(documents.chain("server_json", nodes), url=f"{web.url}/data?q=1")

    parsed = {"path": "/data?q=1", "list": [{"a": "ü"}]}
    assert told.outputs == {"status": 200, "parsed": parsed}
    assert told.chunks[:2] == ["200", "\n"]
    assert json.loads(told.chunks[2]) == parsed


def test_nodes_that_wait_wait_together(engine: Engine, web: WebServer) -> None:
    """Each call is answered only once all three have come."""
    together = threading.Barrier(3)

    def answer(seen: Seen, answer: Answer) -> None:
        together.wait(30)
        answer.send(seen.target.encode(), content_type="text/plain")

    names = ("a", "b", "c")
    web.routes.update({f"/{name}": answer for name in names})
    calls = [documents.http_get(name, f"{web.url}/{name}") for name in names]
    end = documents.end(**{name: [name, "body"] for name in names})
    edges = [*(("start", name) for name in names), *((name, "end") for name in names)]

    told = engine.run(documents.workflow("fan", [documents.start(), *calls, end], edges))

    assert told.outputs == {"a": "/a", "b": "/b", "c": "/c"}

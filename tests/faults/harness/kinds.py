"""The workflows of the load: each kind of run can be lost in a way of its own, and says itself what must become of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.services import documents
from tests.services.documents import Document, Edge, Node

#: In the text of a node: the run that executes it.
RUN = "{{#sys.workflow_run_id#}}"
QUERY = documents.start(documents.variable("query", "paragraph", required=True))

#: What the scripted model answers, a word every ``WORD_MS``.
WORDS = "all runs end well that are kept in order by a row that says so"
WORD_MS = 20

#: Name under which a call of the model is counted.
MODEL = "model"

#: Items of an iteration, and how many lanes the parallel one has.
ITEMS = 6
LANES = 3

Outputs = Callable[[str, str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """``outputs(query, run_id)`` is what a run has to end with."""

    name: str
    document: Document
    outputs: Outputs
    #: How often each node is executed in one run; containers and their starts apart.
    executions: Mapping[str, int]
    #: Rounds of each container.
    rounds: Mapping[str, int] = field(default_factory=dict)
    #: What a run does to the outside, once each: names of calls, which are counted as ``<run id>:<name>``.
    effects: Sequence[str] = ()
    #: Effects that may be in flight at the same time.
    lanes: int = 1
    #: The text of the stream is this output; None: nobody compares it.
    spoken: str | None = None


def load(counting_url: str) -> list[Kind]:
    """One kind for each way to wait, or not to. ``counting_url``: see ``tests.services.counting``."""
    return [pure(), http(counting_url), code(counting_url), iteration(counting_url), parallel(counting_url), llm()]


def call(node_id: str, counting_url: str, delay_ms: int, name: str = "") -> Node:
    """A call that changes something, counted under the run's id and ``name``, by default the node's."""
    return documents.http_get(node_id, f"{counting_url}/after/{delay_ms}/{RUN}:{name or node_id}", method="post")


def gated(name: str, url: str, nodes: Sequence[str], held: str = "") -> Kind:
    """A call for each node, counted as ``<query>:<node>``; that of the node ``held`` waits for the test."""
    calls = [documents.http_get(node, f"{url}/{'hold' if node == held else 'count'}/{{{{#start.query#}}}}:{node}") for node in nodes]
    document = documents.chain(name, [QUERY, *calls, documents.end(last=[nodes[-1], "body"])])
    return Kind(name, document, lambda query, run_id: {"last": f"{query}:{nodes[-1]}"}, dict.fromkeys(["start", *nodes, "end"], 1))


def pure() -> Kind:
    """Nothing but computing: such a run is gone before most faults notice it."""
    nodes = [
        QUERY,
        documents.template("upper", "{{ query | upper }}", query=["start", "query"]),
        documents.if_else("which", documents.condition(["upper", "output"], "contains", "A")),
        documents.template("yes", "{{ word }} has it", word=["upper", "output"]),
        documents.template("no", "{{ word }} lacks it", word=["upper", "output"]),
        documents.aggregator("either", said=[["yes", "output"], ["no", "output"]]),
        documents.end(said=["either", "said", "output"]),
    ]
    edges: list[Edge] = [
        ("start", "upper"),
        ("upper", "which"),
        ("which", "yes", "true"),
        ("which", "no", "false"),
        ("yes", "either"),
        ("no", "either"),
        ("either", "end"),
    ]
    executions = dict.fromkeys(["start", "upper", "which", "yes", "either", "end"], 1)
    return Kind("pure", documents.workflow("pure", nodes, edges), lambda query, run_id: {"said": f"{query.upper()} has it"}, executions)


def http(url: str) -> Kind:
    """Four calls, one behind the other."""
    names = ["first", "second", "third", "fourth"]
    nodes = [QUERY, *(call(name, url, 150) for name in names), documents.end(last=["fourth", "body"])]
    executions = dict.fromkeys(["start", *names, "end"], 1)
    return Kind("http", documents.chain("http", nodes), lambda query, run_id: {"last": f"{run_id}:fourth"}, executions, effects=names)


def code(url: str) -> Kind:
    """Code around a call."""
    split = documents.code(
        "split",
        "def main(query):\n    return {'words': query.split(), 'count': len(query)}",
        {"words": "array[string]", "count": "number"},
        variables=documents.bindings(query=["start", "query"]),
    )
    join = documents.code(
        "join",
        "def main(words, body):\n    return {'text': '-'.join(words) + '/' + body}",
        {"text": "string"},
        variables=documents.bindings(words=["split", "words"], body=["ask", "body"]),
    )
    nodes = [QUERY, split, call("ask", url, 200), join, documents.end(text=["join", "text"], count=["split", "count"])]
    executions = dict.fromkeys(["start", "split", "ask", "join", "end"], 1)

    def outputs(query: str, run_id: str) -> dict[str, Any]:
        return {"text": f"{query.replace(' ', '-')}/{run_id}:ask", "count": len(query)}

    return Kind("code", documents.chain("code", nodes), outputs, executions, effects=["ask"])


def iteration(url: str) -> Kind:
    return _iterated("iteration", url, lanes=1)


def parallel(url: str) -> Kind:
    return _iterated("parallel", url, lanes=LANES, is_parallel=True, parallel_nums=LANES)


def _iterated(name: str, url: str, lanes: int, **more: Any) -> Kind:
    """A call for each item of a list."""
    listing = documents.code(
        "listing", f"def main():\n    return {{'items': [str(n) for n in range({ITEMS})]}}", {"items": "array[string]"}
    )
    effects = [f"item{number}" for number in range(ITEMS)]
    inner = call("ask", url, 100, "item{{#each.index#}}")
    each = documents.iteration("each", ["listing", "items"], inner, output_selector=["ask", "body"], **more)
    nodes = [QUERY, listing, *each, documents.end(bodies=["each", "output"])]
    edges: list[Edge] = [("start", "listing"), ("listing", "each"), documents.container_edge("each", inner), ("each", "end")]
    executions = {**dict.fromkeys(["start", "listing", "end"], 1), "ask": ITEMS}

    def outputs(query: str, run_id: str) -> dict[str, Any]:
        return {"bodies": [f"{run_id}:{effect}" for effect in effects]}

    return Kind(name, documents.workflow(name, nodes, edges), outputs, executions, {"each": ITEMS}, effects, lanes)


def llm() -> Kind:
    """A model's answer, word by word into the stream."""
    model = {"provider": "openai", "name": "dev", "mode": "chat", "completion_params": {}}
    prompt = [{"role": "user", "text": f'Run {RUN} [[dev: text="{WORDS}" delay_ms={WORD_MS}]]'}]
    ask = documents.node("ask", "llm", model=model, prompt_template=prompt, context={"enabled": False}, vision={"enabled": False})
    document = documents.chain("llm", [QUERY, ask, documents.end(answer=["ask", "text"])])
    executions = dict.fromkeys(["start", "ask", "end"], 1)
    return Kind("llm", document, lambda query, run_id: {"answer": WORDS}, executions, effects=[MODEL], spoken="answer")

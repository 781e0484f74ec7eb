"""Whether an answer is the recorded one, up to what may differ from run to run.

A recorded text such as `$UUID` stands for anything. Compared are status, outputs (deep, exact types), counters and error texts of a run; of
its stream the first and last event, the number of events of each kind, node, scope and status, inputs and outputs of each node, and the
streamed text of each selector. Not compared: ids, times, order where the contract promises none, and what ``NOT_COMPARED`` names.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Event = dict[str, Any]

PLACEHOLDER = re.compile(r"\$[A-Z]+(?::[\w.]+)?")

#: Keys that differ from run to run, or that api-contract.md section 11 lists as decided otherwise and not compared.
NOT_COMPARED = frozenset(
    {
        *("id", "index", "predecessor_node_id", "created_by", "tenant_id", "related_id", "reference", "sequence_number", "reason"),
        *("created_at", "finished_at", "elapsed_time", "timestamp", "sys.timestamp", "url", "remote_url"),
        *("sys.app_id", "sys.workflow_id", "sys.workflow_run_id"),
        *("execution_metadata", "process_data", "metadata", "extras", "agent_strategy"),
        # Headers that an echoing server saw.
        *("user-agent", "host", "accept", "accept-encoding", "connection", "content-length", "idempotency-key", "traceparent"),
    }
)

#: Events whose inputs and outputs are compared.
COMPLETIONS = frozenset({"node_finished", "iteration_completed", "loop_completed"})


def differences(want: Any, got: Any, path: str) -> Iterator[str]:
    """Where ``got`` is not what ``want`` describes. Extra keys of objects are fine."""
    if isinstance(want, str):
        yield from text_differences(want, got, path)
    elif isinstance(want, dict):
        yield from object_differences(want, got, path)
    elif isinstance(want, list):
        yield from list_differences(want, got, path)
    elif type(want) is not type(got) or want != got:
        yield expected(path, want, got)


def expected(path: str, want: Any, got: Any) -> str:
    return f"{path}: expected {str(want)[:300]!r}, got {str(got)[:300]!r}"


def text_differences(want: str, got: Any, path: str) -> Iterator[str]:
    if PLACEHOLDER.fullmatch(want):
        return
    if not isinstance(got, str):
        yield expected(path, want, got)
    elif is_traceback(want):
        # Frames and carets tell where the recording's sandbox lay; the exception is what the workflow's author sees.
        yield from text_differences(exception_line(want), exception_line(got), path)
    elif is_json_object(want) and is_json_object(got):
        # What an echoing server saw of a request holds headers that differ from client to client.
        yield from differences(json.loads(want), json.loads(got), path)
    elif not re.fullmatch(pattern_of(want), got, re.DOTALL):
        yield expected(path, want, got)


def is_traceback(text: str) -> bool:
    return 'File "' in text and "Error" in text


def exception_line(text: str) -> str:
    lines = [line for line in text.splitlines() if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return lines[-1] if lines else text


def is_json_object(text: str) -> bool:
    if not text.startswith("{"):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def pattern_of(want: str) -> str:
    """A recorded text as a regular expression. `"$TIME"` in quotes stands for a number of a JSON text."""
    parts = re.split(rf'("\$TIME"|{PLACEHOLDER.pattern})', want)
    return "".join(r"[^\s]*?" if number % 2 else re.escape(part) for number, part in enumerate(parts))


def object_differences(want: dict[str, Any], got: Any, path: str) -> Iterator[str]:
    if not isinstance(got, dict):
        yield expected(path, want, got)
        return
    for name in want.keys() - NOT_COMPARED:
        if name in got:
            yield from differences(want[name], got[name], f"{path}.{name}")
        else:
            yield f"{path}.{name}: missing"


def list_differences(want: list[Any], got: Any, path: str) -> Iterator[str]:
    if not isinstance(got, list) or len(got) != len(want):
        yield expected(path, want, got)
        return
    for number, (wanted, seen) in enumerate(zip(want, got, strict=True)):
        yield from differences(wanted, seen, f"{path}[{number}]")


def missing_keys(want: dict[str, Any], got: dict[str, Any], path: str) -> Iterator[str]:
    """Keys that the recorded server sent and ours did not, also those whose values are not compared."""
    for name, value in want.items():
        if name not in got:
            yield f"{path}.{name}: key missing"
        elif isinstance(value, dict) and isinstance(got[name], dict) and name == "data":
            yield from missing_keys(value, got[name], f"{path}.{name}")


def result_differences(want: dict[str, Any], got: dict[str, Any], path: str) -> Iterator[str]:
    """``data`` of a blocking answer, of `workflow_finished`, or a run's record: here outputs may not have extra keys either."""
    for name in ("status", "total_steps", "total_tokens", "exceptions_count"):
        if name in want and want[name] != got.get(name):
            yield expected(f"{path}.{name}", want[name], got.get(name))
    outputs = want.get("outputs") or {}
    yield from differences(outputs, got.get("outputs"), f"{path}.outputs")
    if isinstance(got.get("outputs"), dict) and (extra := got["outputs"].keys() - outputs.keys()):
        yield f"{path}.outputs: {sorted(extra)} too many"
    yield from differences(want.get("error"), got.get("error"), f"{path}.error")


def stream_differences(want: Sequence[Event], got: Sequence[Event]) -> Iterator[str]:
    yield from order_differences(got)
    want_kinds, got_kinds = kinds(want), kinds(got)
    if want_kinds != got_kinds:
        yield f"stream: missing {dict(want_kinds - got_kinds)}, too many {dict(got_kinds - want_kinds)}"
        return
    for kind in sorted({kind_of(event) for event in want if event["event"] in COMPLETIONS}, key=str):
        yield from completion_differences(kind, want, got)
    yield from differences(streamed_texts(want), streamed_texts(got), "text_chunk")
    finished, seen = want[-1]["data"], got[-1]["data"]
    yield from result_differences(finished, seen, "workflow_finished")
    yield from missing_keys(finished, seen, "workflow_finished")


def order_differences(got: Sequence[Event]) -> Iterator[str]:
    """api-contract.md section 4.3, as far as every stream can show it."""
    names = [event["event"] for event in got]
    if not names or names[0] != "workflow_started" or names[-1] != "workflow_finished" or names.count("workflow_finished") != 1:
        yield f"stream: {names}"
    if len({(event["task_id"], event["workflow_run_id"]) for event in got}) != 1:
        yield "stream: task_id or workflow_run_id changes"
    started = set()
    for event in got:
        if event["event"] == "node_started":
            started.add(event["data"]["id"])
        elif event["event"] in ("node_finished", "node_retry") and event["data"]["id"] not in started:
            yield f"stream: {event['event']} of {event['data']['node_id']} before it started"


def kind_of(event: Event) -> tuple[Any, ...]:
    data = event["data"]
    return event["event"], data.get("node_id"), data.get("iteration_id"), data.get("loop_id"), data.get("status")


def kinds(events: Iterable[Event]) -> Counter[tuple[Any, ...]]:
    return Counter(kind_of(event) for event in events if event["event"] != "text_chunk")


def completion_differences(kind: tuple[Any, ...], want: Sequence[Event], got: Sequence[Event]) -> Iterator[str]:
    """Events of one kind are paired by what they hold: rounds of a parallel container end in any order."""
    left = [event["data"] for event in got if kind_of(event) == kind]
    for recorded in (event["data"] for event in want if kind_of(event) == kind):
        found = [list(node_differences(recorded, candidate, f"{kind[0]} {kind[1]}")) for candidate in left]
        best = min(range(len(left)), key=lambda number: len(found[number]))
        yield from found[best]
        del left[best]


def node_differences(want: dict[str, Any], got: dict[str, Any], path: str) -> Iterator[str]:
    yield from missing_keys(want, got, path)
    yield from differences(want.get("outputs") or {}, got.get("outputs"), f"{path}.outputs")
    if want.get("inputs") is not None and want["node_type"] != "start":
        yield from differences(want["inputs"], got.get("inputs"), f"{path}.inputs")
    if want["node_type"] not in ("iteration", "loop"):
        yield from differences(want.get("error"), got.get("error"), f"{path}.error")


def streamed_texts(events: Iterable[Event]) -> dict[str, str]:
    texts: dict[str, str] = defaultdict(str)
    for event in events:
        if event["event"] == "text_chunk":
            texts[".".join(event["data"].get("from_variable_selector") or ())] += event["data"]["text"]
    return dict(texts)

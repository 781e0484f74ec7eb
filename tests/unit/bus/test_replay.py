from worker.bus.replay import Told
from worker.bus.wire import Envelope, encode
from worker.engine.events import (
    RESUMPTION,
    AgentLog,
    AgentLogged,
    ContainerNext,
    ContainerStarted,
    Event,
    FormFilled,
    NodeFinished,
    NodeRetried,
    NodeStarted,
    NodeStatus,
    ReasoningChunk,
    RunPaused,
    RunStarted,
    TextChunk,
)

ENVELOPE = Envelope("run", "task", "workflow", 1, "end-user", "alice", lambda file: "")


def frame(event: Event) -> bytes:
    return encode(event, ENVELOPE)


def told(*events: Event) -> Told:
    return Told([frame(event) for event in events])


def rest(known: Told, event: Event) -> Event | None:
    return known.rest(event, frame(event))


def node(name: str, index: int = 1, created_at: float = 5.0) -> dict:
    return {
        "execution_id": name,
        "node_id": name,
        "node_type": "code",
        "title": name,
        "index": index,
        "predecessor_node_id": None,
        "created_at": created_at,
    }


def outcome(name: str, status: NodeStatus = NodeStatus.SUCCEEDED) -> dict:
    values = {"status": status, "inputs": {}, "process_data": {}, "outputs": {}, "error": None, "elapsed_s": 0.0, "finished_at": 6.0}
    return {**node(name), **values}


def test_events_that_were_told_are_held_back_once() -> None:
    started = NodeStarted(**node("a"))
    known = told(RunStarted({}, 1.0), started)

    assert rest(known, RunStarted({}, 2.0)) is None
    assert rest(known, started) is None
    assert rest(known, started) == started


def test_a_node_is_known_by_its_execution_whatever_else_changed() -> None:
    known = told(NodeFinished(**outcome("a")))

    assert rest(known, NodeFinished(**{**outcome("a"), "elapsed_s": 9.0})) is None
    assert rest(known, NodeFinished(**outcome("b"))) is not None
    assert rest(known, NodeStarted(**node("a"))) is not None


def test_retries_are_told_apart_by_their_number() -> None:
    first, second = (NodeRetried(**outcome("a", NodeStatus.RETRY), retry_index=number) for number in (1, 2))
    known = told(first)

    assert rest(known, first) is None
    assert rest(known, second) == second


def test_rounds_of_containers_are_told_apart_and_nested_ones_counted() -> None:
    started = ContainerStarted("it", "iteration", "IT", 1.0, {}, {})
    rounds = [ContainerNext("it", "iteration", "IT", 1.0, index) for index in (0, 1)]
    known = told(started, rounds[0], started, rounds[0])

    assert [rest(known, event) for event in (started, *rounds, started, *rounds)] == [None, None, rounds[1], None, None, rounds[1]]


def test_text_goes_on_at_the_character_where_it_stopped() -> None:
    known = told(TextChunk("Hel", ("llm", "text")), TextChunk("lo w", ("llm", "text")), TextChunk("x", ("end", "answer")))

    assert rest(known, TextChunk("Hello", ("llm", "text"))) is None
    assert rest(known, TextChunk(" world", ("llm", "text"))) == TextChunk("orld", ("llm", "text"))
    assert rest(known, TextChunk("!", ("llm", "text"))) == TextChunk("!", ("llm", "text"))
    assert rest(known, TextChunk("xy", ("end", "answer"))) == TextChunk("y", ("end", "answer"))


def test_thoughts_go_on_where_they_stopped_apart_from_texts_of_their_node() -> None:
    known = told(ReasoningChunk("a", "let me"), TextChunk("Yes", ("a", "text")))

    assert rest(known, ReasoningChunk("b", "let")) == ReasoningChunk("b", "let")
    assert rest(known, ReasoningChunk("a", "let")) is None
    assert rest(known, ReasoningChunk("a", " me see")) == ReasoningChunk("a", " see")
    assert rest(known, ReasoningChunk("a", "", True)) == ReasoningChunk("a", "", True)


def test_an_empty_chunk_is_held_back_as_often_as_it_was_told() -> None:
    blank = TextChunk("", ("h", "files"))
    known = told(blank)

    assert rest(known, blank) is None
    assert rest(known, blank) == blank


def test_it_knows_which_nodes_were_started_and_when() -> None:
    assert told(NodeStarted(**node("a", 3, 17.9))).started == {"a": (3, 17.0)}


def test_nothing_told_holds_nothing_back() -> None:
    event = TextChunk("a", ("n", "x"))
    assert rest(told(), event) == event


def test_steps_of_agents_are_known_by_id_and_status() -> None:
    begun = AgentLogged("a", "agent", AgentLog("step-1", "ROUND 1", "start"))
    ended = AgentLogged("a", "agent", AgentLog("step-1", "ROUND 1", "success", {"output": "x"}))
    known = told(begun)

    assert rest(known, begun) is None
    assert rest(known, ended) is ended


PAUSED = RunPaused([], 1.0, 0, 2, 5.0)
RESUMED = RunStarted({}, 1.0, RESUMPTION)


def test_it_knows_whether_the_run_was_said_to_pause() -> None:
    started = RunStarted({}, 1.0)

    assert not told(started).is_paused
    assert told(started, PAUSED).is_paused
    assert not told(started, PAUSED, RESUMED).is_paused
    assert told(started, PAUSED, RESUMED, PAUSED).is_paused


def test_a_resumption_is_not_held_back_whatever_was_told() -> None:
    known = told(RunStarted({}, 1.0), PAUSED, RESUMED, PAUSED)

    assert rest(known, RunStarted({}, 1.0)) is None
    assert rest(known, RESUMED) == RESUMED


def test_answers_are_counted_by_the_node_that_asked() -> None:
    filled, other = FormFilled("ask", "Ask", "", "yes", "Yes", {}), FormFilled("other", "Other", "", "yes", "Yes", {})
    known = told(filled, filled)

    assert [rest(known, event) for event in (filled, other, filled, filled)] == [None, other, None, filled]

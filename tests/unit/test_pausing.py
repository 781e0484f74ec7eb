"""Runs that wait for people, through runner, journal, store and sweeper on a database in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from tests.services import documents
from tests.unit.running import LEASE_S, accept, change, detail, memory_database, stored
from worker.active import ActiveRuns
from worker.bus.memory import MemoryCommands, MemoryEventLog
from worker.closing import stop_run
from worker.config import Config
from worker.dispatcher import MemoryDispatcher
from worker.engine.errors import NodeError
from worker.engine.events import STOPPED_TEXT, RunStatus
from worker.engine.memory import SystemClock
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.pausing import HeldForm
from worker.engine.ports import Ports
from worker.engine.variables import VariablePool, remote_address
from worker.graphs import Graphs
from worker.nodes.registry import Registry
from worker.runner import RunService
from worker.store.errors import FormExpired, FormSubmitted
from worker.store.forms import FormStatus, StoredForm, Wake, find_form, submit_form, waiting_forms
from worker.store.models import FORMS, RUNS
from worker.store.runs import NewRun
from worker.store.session import Database
from worker.sweeper import Sweeper


class NoFiles:
    url = staticmethod(remote_address)


PORTS: Any = Ports(http=None, code=None, templates=None, documents=None, files=NoFiles(), clock=SystemClock())  # type: ignore[arg-type]


class CodeNode:
    """An effectful node that does what the test says, else puts out its id; it counts how often it was run."""

    is_pure = False
    is_branch = False

    def __init__(self, node_id: str, house: House) -> None:
        self._node_id = node_id
        self._house = house

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        self._house.counts[self._node_id] += 1
        script = self._house.scripts.pop(self._node_id, None)
        if script is not None:
            script(context)
        return NodeResult({"out": self._node_id})


class CodeRegistry(Registry):
    """The real node types, but for ``code``."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self._house = house

    def create(self, spec: NodeSpec) -> Any:
        return CodeNode(spec.id, self._house) if spec.type == "code" else super().create(spec)


class House:
    """A deployment: one database and one log, any number of workers."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.log = MemoryEventLog()
        self.dispatcher = MemoryDispatcher()
        self.counts: Counter[str] = Counter()
        #: What code nodes do when they are run next, by their ids.
        self.scripts: dict[str, Callable[[NodeContext], object]] = {}
        self.config = Config(lease_s=LEASE_S)
        self.active = ActiveRuns()

    def execute(self, run: NewRun, owner: str = "worker-1") -> None:
        """By a worker of its own, which knows nothing of the run but what the database and the log have."""
        graphs = Graphs(self.database, CodeRegistry(self), Config())
        made = (self.database, self.log, graphs, lambda app_id: PORTS, self.active, self.dispatcher, self.config, owner, {})
        RunService(*made).execute(run.run_id, run.task_id)

    def sweep(self) -> None:
        Sweeper(self.database, self.log, self.dispatcher, self.config, "sweeper-1", lambda app_id: remote_address).sweep()

    def stop(self, run: NewRun) -> None:
        stop_run(self.database, self.log, MemoryCommands(lambda run_id: None), remote_address, run.app_id, run.task_id)

    def forms(self, run: NewRun) -> list[StoredForm]:
        with self.database.read() as session:
            return waiting_forms(session, run.app_id, run.run_id)

    def form(self, run: NewRun, node_id: str = "ask") -> HeldForm:
        return next(form.held for form in self.forms(run) if form.held.node_id == node_id)

    def submit(self, run: NewRun, form: HeldForm, action: str = "yes", **values: Any) -> Wake | None:
        answer = partial(submit_form, form_id=form.form_id, action=action, values=values, end_user_id=run.end_user_id)
        return self.database.transact(answer)

    def expire(self, form: HeldForm) -> None:
        """Its time is up now."""
        with self.database.begin() as session:
            session.execute(update(FORMS).where(FORMS.c.id == form.form_id).values(expires_at=1.0))

    def events(self, run: NewRun) -> list[dict[str, Any]]:
        """What SQL has of the log; the log itself must be the same."""
        frames = stored(self.database, run)
        assert [json.loads(entry.frame) for entry in self.log.read(run.run_id, 0, 10_000)] == frames
        return frames


def story(events: list[dict[str, Any]]) -> list[str]:
    """Events in short, with the node that they are about."""
    return [" ".join(filter(None, (event["event"], event["data"].get("node_id")))) for event in events]


@pytest.fixture
def house() -> Iterator[House]:
    database = memory_database()
    yield House(database)
    database.dispose()


def code(node_id: str) -> dict[str, Any]:
    return documents.node(node_id, "code")


def asking(**more: Any) -> dict[str, Any]:
    """start → before → ask → (yes) after → end, (no) nothing."""
    ask = documents.human_input("ask", "{{#before.out#}}? {{#$output.note#}}", "note", **more)
    nodes = [documents.start(), code("before"), ask, code("after"), documents.end(note=["ask", "note"], action=["ask", "__action_id"])]
    return documents.workflow("Asking", nodes, [("start", "before"), ("before", "ask"), ("ask", "after", "yes"), ("after", "end")])


def paused(house: House, document: Mapping[str, Any] | None = None) -> NewRun:
    run = accept(house.database, document or asking())
    house.execute(run)
    assert detail(house.database, run).status is RunStatus.PAUSED
    return run


def test_a_run_pauses_at_a_form_and_tells_what_it_asks_for(house: House) -> None:
    run = paused(house)

    events = house.events(run)
    required, pause = events[-2:]
    form = house.form(run)
    assert story(events)[1:] == [
        "node_started start",
        "node_finished start",
        "node_started before",
        "node_finished before",
        "node_started ask",
        "human_input_required ask",
        "workflow_paused",
    ]
    assert required["data"] == {
        "form_id": form.form_id,
        "node_id": "ask",
        "node_title": "ASK",
        "form_content": "before? {{#$output.note#}}",
        "inputs": [{"type": "paragraph", "output_variable_name": "note", "default": None}],
        "actions": [{"id": "yes", "title": "YES", "button_style": "default"}, {"id": "no", "title": "NO", "button_style": "default"}],
        "display_in_ui": False,
        "form_token": form.token,
        "approval_channels": [],
        "resolved_default_values": {},
        "expiration_time": int(form.expires_at),
    }
    assert pause["data"] == {
        "workflow_run_id": run.run_id,
        "paused_nodes": ["ask"],
        "outputs": {},
        "reasons": [{"TYPE": "human_input_required", **required["data"]}],
        "status": "paused",
        "created_at": events[0]["data"]["created_at"],
        "elapsed_time": pause["data"]["elapsed_time"],
        "total_tokens": 0,
        "total_steps": 3,
    }


def test_a_paused_run_holds_nothing_of_a_worker(house: House) -> None:
    run = paused(house)

    with house.database.read() as session:
        row = session.execute(RUNS.select().where(RUNS.c.id == run.run_id)).one()
    assert (row.lease_owner, row.lease_until, row.finished_at, row.total_steps) == (None, None, None, 3)
    assert len(house.active) == 0
    assert house.dispatcher.sent == []


def test_an_answered_run_goes_on_where_it_was(house: House) -> None:
    run = paused(house)
    before = house.events(run)

    wake = house.submit(run, house.form(run), note="fine")
    house.execute(run, "worker-2")

    ended, events = detail(house.database, run), house.events(run)
    assert wake == Wake(run.run_id, run.task_id)
    assert (ended.status, ended.outputs, ended.total_steps) == (RunStatus.SUCCEEDED, {"note": "fine", "action": "yes"}, 5)
    assert house.counts == {"before": 1, "after": 1}
    assert events[: len(before)] == before
    assert story(events[len(before) :]) == [
        "workflow_started",
        "human_input_form_filled ask",
        "text_chunk",
        "text_chunk",
        "text_chunk",
        "node_finished ask",
        "node_started after",
        "node_finished after",
        "node_started end",
        "node_finished end",
        "workflow_finished",
    ]
    resumption, filled = events[len(before) : len(before) + 2]
    assert (events[0]["data"]["reason"], resumption["data"]["reason"]) == ("initial", "resumption")
    assert filled["data"] == {
        "node_id": "ask",
        "node_title": "ASK",
        "rendered_content": "before? fine",
        "action_id": "yes",
        "action_text": "YES",
        "submitted_data": {"note": "fine"},
    }


def test_the_node_ends_with_the_answer_under_the_id_that_it_began_with(house: House) -> None:
    run = paused(house)
    house.submit(run, house.form(run), note="fine")
    house.execute(run)

    began, done = [event["data"] for event in house.events(run) if event["data"].get("node_id") == "ask" and "index" in event["data"]]
    assert (began["id"], began["index"], began["created_at"]) == (done["id"], done["index"], done["created_at"])
    assert done["outputs"] == {"note": "fine", "__action_id": "yes", "__action_value": "YES", "__rendered_content": "before? fine"}
    assert done["status"] == "succeeded"


def test_an_action_without_an_edge_ends_its_branch(house: House) -> None:
    run = paused(house)

    house.submit(run, house.form(run), "no", note="never")
    house.execute(run)

    ended = detail(house.database, run)
    assert (ended.status, ended.outputs, house.counts) == (RunStatus.SUCCEEDED, {}, {"before": 1})


def two_forms() -> dict[str, Any]:
    """Two people are asked side by side, and a third branch asks nobody; one end waits for all."""
    nodes = [
        documents.start(),
        documents.human_input("a", "A?", "x"),
        documents.human_input("b", "B?", "y"),
        code("c"),
        code("d"),
        code("e"),
    ]
    outer = [*nodes, documents.end(x=["a", "x"], y=["b", "y"])]
    edges = [("start", "a"), ("start", "b"), ("start", "c"), ("a", "d", "yes"), ("b", "e", "yes"), ("c", "end"), ("d", "end"), ("e", "end")]
    return documents.workflow("Two", outer, edges)


def test_other_branches_go_on_before_and_after_each_answer(house: House) -> None:
    run = paused(house, two_forms())
    first = len(house.events(run))
    assert house.counts == {"c": 1}
    assert [form.held.node_id for form in house.forms(run)] == ["a", "b"]
    assert house.events(run)[-1]["data"]["paused_nodes"] == ["a", "b"]

    house.submit(run, house.form(run, "b"), y="2")
    house.execute(run)
    second = house.events(run)[first:]
    assert detail(house.database, run).status is RunStatus.PAUSED
    assert house.counts == {"c": 1, "e": 1}
    assert story(second) == [
        "workflow_started",
        "human_input_form_filled b",
        "node_finished b",
        "node_started e",
        "node_finished e",
        "human_input_required a",
        "workflow_paused",
    ]
    assert second[-2]["data"]["form_token"] == house.form(run, "a").token

    house.submit(run, house.form(run, "a"), x="1")
    house.execute(run)
    ended = detail(house.database, run)
    assert (ended.status, ended.outputs, ended.total_steps) == (RunStatus.SUCCEEDED, {"x": "1", "y": "2"}, 7)
    assert house.counts == {"c": 1, "d": 1, "e": 1}
    started = [event["data"]["node_id"] for event in house.events(run) if event["event"] == "node_started"]
    assert sorted(started) == ["a", "b", "c", "d", "e", "end", "start"]


def test_both_answers_are_used_by_one_attempt(house: House) -> None:
    run = paused(house, two_forms())

    first = house.submit(run, house.form(run, "a"), x="1")
    second = house.submit(run, house.form(run, "b"), y="2")
    house.execute(run)

    assert (first, second) == (Wake(run.run_id, run.task_id), None)
    assert detail(house.database, run).outputs == {"x": "1", "y": "2"}
    assert story(house.events(run)).count("workflow_paused") == 1


def test_an_answer_that_comes_while_the_run_pauses_again_wakes_it_at_once(house: House) -> None:
    """The second form is answered after the attempt has looked at the forms, and before it pauses."""
    run = paused(house, two_forms())
    late = house.form(run, "a")
    house.submit(run, house.form(run, "b"), y="2")
    wakes: list[Wake | None] = []
    house.scripts["e"] = lambda context: wakes.append(house.submit(run, late, x="1"))
    house.execute(run)

    assert wakes == [None]
    assert house.dispatcher.sent == [(run.run_id, run.task_id)]
    house.execute(run)
    assert detail(house.database, run).outputs == {"x": "1", "y": "2"}
    assert story(house.events(run)).count("workflow_paused") == 2


def test_a_form_is_answered_once(house: House) -> None:
    run = paused(house)
    form = house.form(run)
    house.submit(run, form, note="first")

    with pytest.raises(FormSubmitted):
        house.submit(run, form, "no", note="second")
    house.execute(run)

    assert detail(house.database, run).outputs["note"] == "first"
    with pytest.raises(FormSubmitted):
        house.submit(run, form, note="third")


def test_a_form_that_nobody_answers_in_time_takes_its_own_exit(house: House) -> None:
    document = asking()
    document["workflow"]["graph"]["edges"] += [documents.edge(9, "ask", "late", "__timeout"), documents.edge(10, "late", "end")]
    document["workflow"]["graph"]["nodes"].append(code("late"))
    run = paused(house, document)
    form = house.form(run)
    house.expire(form)

    with pytest.raises(FormExpired):
        house.submit(run, form, note="too late")
    house.sweep()
    assert house.dispatcher.sent == [(run.run_id, run.task_id)]
    house.execute(run)

    events = {event["event"]: event["data"] for event in house.events(run)}
    done = next(e["data"] for e in house.events(run) if e["event"] == "node_finished" and e["data"]["node_id"] == "ask")
    assert events["human_input_form_timeout"] == {"node_id": "ask", "node_title": "ASK", "expiration_time": 1}
    assert done["outputs"] == {"__action_id": "", "__action_value": "", "__rendered_content": "before? "}
    assert (detail(house.database, run).status, house.counts) == (RunStatus.SUCCEEDED, {"before": 1, "late": 1})


def test_without_such_an_exit_the_branch_ends(house: House) -> None:
    run = paused(house)
    house.expire(house.form(run))

    house.sweep()
    house.execute(run)

    assert (detail(house.database, run).status, house.counts) == (RunStatus.SUCCEEDED, {"before": 1})


def test_the_limit_of_the_deployment_ends_the_run(house: House) -> None:
    run = paused(house, asking(timeout=1000, timeout_unit="day"))
    form = house.form(run)
    assert form.ends_run
    house.expire(form)

    house.sweep()

    ended = detail(house.database, run)
    assert (ended.status, ended.error) == (RunStatus.FAILED, "Aborted: nobody filled in the form of node 'ASK' in time.")
    assert story(house.events(run))[-1] == "workflow_finished"
    house.sweep()
    with house.database.read() as session:
        assert find_form(session, run.app_id, form.token).status is FormStatus.EXPIRED
    assert house.dispatcher.sent == []


def test_a_paused_run_is_stopped_at_once(house: House) -> None:
    run = paused(house)
    form = house.form(run)

    house.stop(run)

    ended = detail(house.database, run)
    assert (ended.status, ended.error, ended.outputs) == (RunStatus.STOPPED, STOPPED_TEXT, {})
    assert story(house.events(run))[-2:] == ["workflow_paused", "workflow_finished"]
    assert house.forms(run) == []
    with pytest.raises(FormExpired):
        house.submit(run, form, note="too late")


def test_a_stop_that_comes_while_the_run_pauses_wins(house: House) -> None:
    run = accept(house.database, asking())
    house.scripts["before"] = lambda context: change(house.database, run, cancel_requested_at=1.0)
    house.execute(run)

    assert detail(house.database, run).status is RunStatus.STOPPED
    assert "human_input_required ask" not in story(house.events(run))
    assert house.forms(run) == []


def test_the_time_limit_does_not_count_pauses(house: House) -> None:
    run = paused(house)
    with house.database.begin() as session:
        long_ago = {
            "started_at": RUNS.c.started_at - 90_000,
            "paused_at": RUNS.c.paused_at - 90_000,
            "deadline_at": RUNS.c.deadline_at - 90_000,
        }
        session.execute(update(RUNS).where(RUNS.c.id == run.run_id).values(**long_ago))

    house.sweep()
    assert detail(house.database, run).status is RunStatus.PAUSED
    house.submit(run, house.form(run), note="at last")
    house.sweep()
    house.execute(run)

    ended = detail(house.database, run)
    assert (ended.status, ended.error) == (RunStatus.SUCCEEDED, None)
    assert ended.elapsed_time > 90_000


def test_a_worker_that_is_lost_after_the_pause_resumes_once(house: House) -> None:
    """It told of the resumption and the answer, and died before anything of that was stored."""
    run = paused(house)
    house.submit(run, house.form(run), note="fine")

    def die(context: NodeContext) -> None:
        house.active.fence([(run.run_id, 2)])
        context.cancellation.wait(5)
        context.cancellation.check()
        raise AssertionError("not reached")

    house.scripts["after"] = die
    house.execute(run)
    change(house.database, run, lease_until=1.0)
    house.sweep()
    house.execute(run, "worker-3")

    told = story(house.events(run))
    assert detail(house.database, run).outputs == {"note": "fine", "action": "yes"}
    assert (told.count("workflow_started"), told.count("human_input_form_filled ask"), told.count("node_started ask")) == (2, 1, 1)
    assert [told.count(f"{name} after") for name in ("node_started", "node_finished")] == [1, 1]


def rounds(kind: str, inner: dict[str, Any], container: list[dict[str, Any]]) -> dict[str, Any]:
    nodes = [documents.start(), *container, documents.end(all=["each", kind])]
    return documents.workflow("Rounds", nodes, [("start", "each"), documents.container_edge("each", inner), ("each", "end")])


def answer_all(house: House, run: NewRun) -> list[list[str]]:
    """Answer every form with its own content until the run has ended; the contents of the forms at each pause."""
    asked = []
    while forms := house.forms(run):
        asked.append([form.held.form.content for form in forms])
        for form in forms:
            house.submit(run, form.held, output=form.held.form.content.upper())
        house.execute(run)
    return asked


@pytest.mark.parametrize(("is_parallel", "asked"), [(False, [["a?"], ["b?"]]), (True, [["a?", "b?"]])])
def test_each_round_of_an_iteration_asks_for_itself(house: House, is_parallel: bool, asked: list[list[str]]) -> None:
    inner = documents.human_input("ask", "{{#each.item#}}?", "output")
    document = rounds("output", inner, documents.iteration("each", ["start", "items"], inner, is_parallel=is_parallel))
    run = accept(house.database, document, {"items": ["a", "b"]})
    house.execute(run)

    assert answer_all(house, run) == asked
    assert detail(house.database, run).outputs == {"all": ["A?", "B?"]}
    told = story(house.events(run))
    assert [told.count(f"{name} ask") for name in ("node_started", "human_input_form_filled", "node_finished")] == [2, 2, 2]
    assert [told.count(f"iteration_{name} each") for name in ("started", "next", "completed")] == [1, 2, 1]


def test_each_round_of_a_loop_asks_for_itself(house: House) -> None:
    inner = documents.human_input("ask", "Again?", "output")
    run = accept(house.database, rounds("loop_round", inner, documents.loop("each", 3, inner)))
    house.execute(run)

    assert answer_all(house, run) == [["Again?"]] * 3
    assert detail(house.database, run).outputs == {"all": 3}
    told = story(house.events(run))
    assert [told.count(f"{name} ask") for name in ("node_started", "human_input_form_filled", "node_finished")] == [3, 3, 3]


def fail(context: NodeContext) -> None:
    raise NodeError("broken")


def test_a_failure_beside_a_form_ends_the_run(house: House) -> None:
    house.scripts["c"] = fail
    run = accept(house.database, two_forms())
    house.execute(run)

    ended = detail(house.database, run)
    assert (ended.status, ended.error, house.forms(run)) == (RunStatus.FAILED, "broken", [])


def test_a_form_whose_round_was_cut_off_is_closed(house: House) -> None:
    """A round asks twice side by side; behind one answer it fails, which ends the iteration, and the run asks again."""
    inner, beside, fails = documents.human_input("ask", "A?", "output"), documents.human_input("beside", "B?", "output"), code("fails")
    for child in (beside, fails):
        child["data"]["iteration_id"] = "each"
    container = documents.iteration("each", ["start", "items"], inner, error_strategy="default-value", default_value=[])
    last = documents.human_input("last", "Sure?", "output")
    nodes = [documents.start(), *container, beside, fails, last, documents.end(sure=["last", "output"])]
    inside = [documents.container_edge("each", inner), documents.container_edge("each", beside), ("ask", "fails", "yes")]
    edges = [("start", "each"), *inside, ("each", "last"), ("last", "end", "yes")]
    run = accept(house.database, documents.workflow("Cut", nodes, edges), {"items": ["a"]})
    house.execute(run)
    cut_off = house.form(run, "beside")

    house.scripts["fails"] = fail
    house.submit(run, house.form(run, "ask"), output="x")
    house.execute(run)

    assert [form.held.node_id for form in house.forms(run)] == ["last"]
    with pytest.raises(FormExpired):
        house.submit(run, cut_off, output="y")
    house.submit(run, house.form(run, "last"), output="z")
    house.execute(run)
    assert detail(house.database, run).outputs == {"sure": "z"}

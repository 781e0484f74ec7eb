import json
from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.services import documents
from tests.unit.nodes.tooling import World, said
from tests.unit.running import accept, memory_database
from worker.config import Config
from worker.engine.errors import NodeError, RunStopped
from worker.engine.execution import Threads
from worker.engine.limits import Limits
from worker.engine.spending import Spending
from worker.engine.tool_values import prepare
from worker.engine.tools import FileMessage, JSONMessage, TextMessage, ToolNotFound, ToolReference, UsageMessage, VariableMessage
from worker.environments import Environments
from worker.graphs import Graphs
from worker.nodes.registry import Registry
from worker.store import tool_providers as stored
from worker.store.sealing import Sealing
from worker.store.session import Database
from worker.store.tool_providers import StoredProvider
from worker.toolbox import Toolbox

CONFIG = Config(secret_key="a secret", limits=Limits(workflow_call_max_depth=3))

API = {"servers": [{"url": "https://api.example"}], "paths": {"/q": {"get": {"operationId": "ask"}}}}


@pytest.fixture
def database() -> Iterator[Database]:
    made = memory_database()
    yield made
    made.dispose()


@pytest.fixture
def toolbox(database: Database) -> Toolbox:
    environments = Environments(database, CONFIG, {"PENSTOCK_ENV_REGION": "north"})
    return Toolbox(database, CONFIG, Graphs(database, Registry(), CONFIG), environments, Threads(idle_s=0.2))


def register(database: Database, name: str, kind: str, definition: dict, headers: bytes | None = None) -> None:
    with database.begin() as session:
        stored.save_provider(session, StoredProvider(name, kind, definition, headers))


def register_app(database: Database, name: str, document: dict) -> None:
    register(database, name, stored.WORKFLOW, {"app_id": accept(database, document).app_id})


def find(toolbox: Toolbox, provider: str, name: str = "ask", kind: str = "api"):
    return toolbox.find(ToolReference(kind, (provider,), name))


def test_built_in_tools_need_no_registration(toolbox: Toolbox) -> None:
    assert find(toolbox, "time", "current_time", "builtin").name == "current_time"


@pytest.mark.parametrize("name", ["acme/search/search", "search"])
def test_a_provider_is_found_by_its_id_or_the_last_part_of_it(database: Database, toolbox: Toolbox, name: str) -> None:
    register(database, name, stored.API, {"document": API, "server": ""})

    assert find(toolbox, "acme/search/search").url == "https://api.example/q"


def test_a_registered_provider_comes_before_a_built_in_one(database: Database, toolbox: Toolbox) -> None:
    register(database, "time", stored.API, {"document": API, "server": "https://other.example"})

    assert find(toolbox, "langgenius/time/time", "ask", "builtin").url == "https://other.example/q"
    with pytest.raises(ToolNotFound) as caught:
        find(toolbox, "time", "current_time", "builtin")
    assert caught.value.advice == "The provider time has: ask."


def test_headers_are_sealed_and_bound_to_their_provider(database: Database, toolbox: Toolbox) -> None:
    sealed = Sealing.find(CONFIG).seal(stored.SEALED_FOR, "mine", json.dumps({"Authorization": "Bearer x"}))
    register(database, "mine", stored.API, {"document": API, "server": ""}, sealed)
    register(database, "stolen", stored.API, {"document": API, "server": ""}, sealed)

    assert find(toolbox, "mine").headers == {"Authorization": "Bearer x"}
    with pytest.raises(ToolNotFound, match="tool provider stolen cannot be used"):
        find(toolbox, "stolen")


def test_removing_and_listing(database: Database, toolbox: Toolbox) -> None:
    register(database, "b", stored.API, {"document": API, "server": ""})
    register(database, "a", stored.API, {"document": API, "server": ""})
    register(database, "b", stored.API, {"document": API, "server": "https://new.example"})
    with database.begin() as session:
        assert [provider.name for provider in stored.list_providers(session)] == ["a", "b"]
        stored.remove_provider(session, "a")

    assert find(toolbox, "b").url == "https://new.example/q"
    with pytest.raises(ToolNotFound):
        find(toolbox, "a")


# ---- apps as tools


def shouting() -> dict:
    query = documents.variable("query", required=True)
    shout = documents.template("shout", "{{ q }}!", q=["start", "query"])
    nodes = [documents.start(query, documents.variable("count", "number")), shout]
    return documents.chain("Shout", [*nodes, documents.end(text=["shout", "output"], count=["start", "count"])])


class Templates:
    def render(self, template, inputs, cancellation):
        return template.replace("{{ q }}", str(inputs["q"]))


def call(toolbox: Toolbox, world: World, provider: str, **given):
    tool = find(toolbox, provider, "any", "workflow")
    return list(tool.invoke(prepare(tool.parameters, given), world.context))


def test_an_app_answers_with_its_outputs(database: Database, toolbox: Toolbox) -> None:
    register_app(database, "shout", shouting())
    tool = find(toolbox, "shout", "any", "workflow")
    messages = call(toolbox, World(templates=Templates()), "shout", query="hi", count="2")

    assert [(item.name, item.type, item.required) for item in tool.parameters] == [("query", "string", True), ("count", "number", False)]
    assert messages[:4] == [
        TextMessage('{"text": "hi!", "count": 2}'),
        JSONMessage({"text": "hi!", "count": 2}),
        VariableMessage("text", "hi!"),
        VariableMessage("count", 2),
    ]


def test_files_go_in_and_come_out(database: Database, toolbox: Toolbox) -> None:
    variables = [documents.variable("one", "file", allowed_file_types=["document"]), documents.variable("many", "file-list")]
    register_app(
        database, "files", documents.chain("F", [documents.start(*variables), documents.end(a=["start", "one"], b=["start", "many"])])
    )
    world = World()
    first, second = world.files.add("a.txt", b"a"), world.files.add("b.png", b"b", "image/png")
    messages = call(toolbox, world, "files", one=first, many=[second])

    assert [message.file for message in messages if isinstance(message, FileMessage)] == [first, second]


def test_environment_variables_are_those_of_the_app(database: Database, toolbox: Toolbox) -> None:
    document = documents.chain("E", [documents.start(), documents.end(region=["env", "REGION"])])
    document["workflow"]["environment_variables"] = [{"name": "REGION", "value_type": "string", "value": "south"}]
    register_app(database, "env", document)

    assert call(toolbox, World(), "env")[1] == JSONMessage({"region": "north"})


def test_inputs_that_do_not_fit_and_failures_inside_fail_the_call(database: Database, toolbox: Toolbox) -> None:
    long = documents.variable("q", max_length=3)
    register_app(database, "short", documents.chain("S", [documents.start(long), documents.end(q=["start", "q"])]))
    missing = documents.node("t", "tool", provider_type="builtin", provider_id="gone", provider_name="gone", tool_name="x")
    register_app(database, "failing", documents.chain("X", [documents.start(), missing, documents.end()]))

    with pytest.raises(NodeError, match="q in input form must be less than 3 characters"):
        call(toolbox, World(), "short", q="too long")
    with pytest.raises(NodeError, match="tool provider gone not found"):
        call(toolbox, World(), "failing")


def test_an_app_that_asks_a_person_is_no_tool(database: Database, toolbox: Toolbox) -> None:
    ask = documents.human_input("ask", "Sure?")
    register_app(
        database, "asks", documents.workflow("Asks", [documents.start(), ask, documents.end()], [("start", "ask"), ("ask", "end", "yes")])
    )

    with pytest.raises(NodeError, match=r"The workflow \S+ asks a person \(node 'ASK'\), which no workflow can do as a tool\."):
        call(toolbox, World(), "asks")


def asking(prompt: str) -> dict:
    model = {"provider": "openai", "name": "m", "mode": "chat", "completion_params": {}}
    ask = documents.node("ask", "llm", model=model, prompt_template=[{"role": "user", "text": prompt}], context={"enabled": False})
    return documents.chain("Ask", [documents.start(), ask, documents.end(text=["ask", "text"])])


def test_what_an_app_used_and_cost_is_told(database: Database, toolbox: Toolbox) -> None:
    register_app(database, "ask", asking("Hi."))

    assert call(toolbox, World(said("Hello.")), "ask")[-1] == UsageMessage(Spending(11, Decimal("0.001"), "USD"))


def test_what_an_app_had_used_before_it_failed_is_told_too(database: Database, toolbox: Toolbox) -> None:
    document = asking("Hi.")
    missing = documents.node("t", "tool", provider_type="builtin", provider_id="gone", provider_name="gone", tool_name="x")
    ask = document["workflow"]["graph"]["nodes"][1]
    register_app(database, "ask", documents.chain("Ask", [documents.start(), ask, missing, documents.end()]))

    with pytest.raises(NodeError) as caught:
        call(toolbox, World(said("Hello.")), "ask")
    partial = caught.value.partial
    assert (partial.total_tokens, partial.metadata) == (11, {"total_tokens": 11, "total_price": "0.001", "currency": "USD"})


def calls_itself(name: str) -> dict:
    again = documents.node("again", "tool", provider_type="workflow", provider_id=name, provider_name=name, tool_name="x")
    return documents.chain(name, [documents.start(), again, documents.end()])


def test_calls_of_calls_end_at_the_limit(database: Database, toolbox: Toolbox) -> None:
    register_app(database, "ring", calls_itself("ring"))

    with pytest.raises(NodeError, match="Max workflow call depth 3 reached"):
        call(toolbox, World(), "ring")


def test_a_stop_of_the_outer_run_ends_the_inner_one(database: Database, toolbox: Toolbox) -> None:
    waiting = documents.code("waiting", "def main(): pass", {"x": "string"})
    register_app(database, "waits", documents.chain("W", [documents.start(), waiting, documents.end()]))
    world = World()

    class Waiting:
        def run(self, language, source, inputs, cancellation):
            world.inbox.stop()
            cancellation.wait(10)
            cancellation.check()

    world.ports["code"] = Waiting()
    with pytest.raises(RunStopped):
        call(toolbox, world, "waits")


def test_an_app_that_is_gone_is_said(database: Database, toolbox: Toolbox) -> None:
    register(database, "gone", stored.WORKFLOW, {"app_id": "no-such-app"})
    with pytest.raises(ToolNotFound, match="The app behind the tool provider gone is gone"):
        find(toolbox, "gone", "any", "workflow")

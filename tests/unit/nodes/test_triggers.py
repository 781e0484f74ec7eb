import pytest

from tests.unit.engine.building import end, graph, run_of
from worker.engine.errors import GraphError
from worker.engine.events import RunStarted
from worker.engine.graph import Graph, GraphNode
from worker.engine.node import NodeSpec
from worker.engine.variables import File, VariablePool
from worker.nodes.registry import Registry

UPLOAD = File("document", "tool_file", "note.txt", ".txt", "text/plain", 38, related_id="f1")
SYSTEM = {"user_id": "u", "timestamp": 1}
SHOWN_SYSTEM = {"sys.user_id": "u", "sys.timestamp": 1}


def trigger(kind, **data):
    return Registry().create(NodeSpec("t", kind, "T", "1", data, path="workflow.graph.nodes[0]"))


def webhook(**data):
    return trigger("trigger-webhook", **data)


def result_of(node, **inputs):
    pool = VariablePool()
    pool.add_outputs("sys", SYSTEM)
    pool.add_outputs("t", inputs)
    return node.run(pool, None)


def outputs_of(node, **request):
    """What the node makes of a request, but for what every trigger gives."""
    outputs = result_of(node, webhook_data=request).outputs
    return {name: value for name, value in outputs.items() if name not in ("_webhook_raw", *SHOWN_SYSTEM)}


@pytest.mark.parametrize("kind", ["trigger-schedule", "trigger-plugin"])
def test_a_trigger_without_a_request_gives_the_system_variables(kind):
    result = result_of(trigger(kind))
    assert result.outputs == result.inputs == SHOWN_SYSTEM


def test_a_webhook_gives_the_request_as_it_came_and_the_system_variables():
    request = {"method": "POST", "headers": {}, "query_params": {}, "body": {"raw": "x"}, "files": {}}
    result = result_of(webhook(), webhook_data=request)
    assert result.outputs == {"_webhook_raw": request, **SHOWN_SYSTEM}
    assert result.inputs == {"webhook_data": request}


@pytest.mark.parametrize("sent", ["X-Tenant-Id", "x-tenant-id", "X_TENANT_ID"])
def test_headers_are_found_whatever_their_case_and_named_without_dashes(sent):
    node = webhook(headers=[{"name": "X-Tenant-Id", "type": "string"}, {"name": "X-Other"}])
    assert outputs_of(node, headers={sent: "a"}) == {"X_Tenant_Id": "a", "X_Other": None}


def test_query_parameters_and_fields_of_the_body_are_found_by_name():
    node = webhook(params=[{"name": "page"}, {"name": "size"}], body=[{"name": "amount", "type": "number"}, {"name": "note"}])
    found = outputs_of(node, query_params={"page": "2"}, body={"amount": 3.5, "unasked": 1})
    assert found == {"page": "2", "size": None, "amount": 3.5, "note": None}


def test_uploads_are_files():
    node = webhook(content_type="multipart/form-data", body=[{"name": "doc", "type": "file"}, {"name": "title", "type": "string"}])
    assert outputs_of(node, body={"title": "A"}, files={"doc": UPLOAD}) == {"doc": UPLOAD, "title": "A"}


@pytest.mark.parametrize(
    ("content_type", "body", "value"),
    [
        ("text/plain", {"raw": "all of it"}, "all of it"),
        ("text/plain", {}, ""),
        ("application/octet-stream", {"raw": UPLOAD}, UPLOAD),
        ("application/octet-stream", {}, None),
    ],
)
def test_a_body_without_fields_is_one_value(content_type, body, value):
    assert outputs_of(webhook(content_type=content_type, body=[{"name": "raw_body"}]), body=body) == {"raw_body": value}


@pytest.mark.parametrize("inputs", [{}, {"webhook_data": None}, {"webhook_data": {"headers": None, "body": "x"}}])
def test_a_request_with_nothing_in_it_leaves_the_outputs_empty(inputs):
    node = webhook(headers=[{"name": "A"}], params=[{"name": "p"}], body=[{"name": "b"}])
    outputs = result_of(node, **inputs).outputs
    assert (outputs["A"], outputs["p"], outputs["b"]) == (None, None, None)


@pytest.mark.parametrize(
    ("kind", "data", "path"),
    [
        ("trigger-webhook", {"method": "teleport"}, "method"),
        ("trigger-webhook", {"content_type": "text/html"}, "content_type"),
        ("trigger-webhook", {"headers": [{}]}, "headers[0].name"),
        ("trigger-webhook", {"body": {}}, "body"),
        ("trigger-webhook", {"status_code": "fine"}, "status_code"),
        ("trigger-schedule", {"mode": "sometimes"}, "mode"),
        ("trigger-schedule", {"visual_config": []}, "visual_config"),
    ],
)
def test_settings_that_make_no_sense_are_found_at_import(kind, data, path):
    with pytest.raises(GraphError) as caught:
        trigger(kind, **data)
    assert [finding.path for finding in caught.value.findings] == [f"workflow.graph.nodes[0].data.{path}"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("trigger-webhook", {"method": "POST", "async_mode": True, "webhook_url": "", "timeout": 30, "response_body": ""}),
        (
            "trigger-schedule",
            {"mode": "visual", "frequency": "daily", "visual_config": {"time": "12:00 AM", "monthly_days": [1, "last"]}, "timezone": "UTC"},
        ),
        ("trigger-schedule", {"mode": "cron", "cron_expression": "0 9 * * 1"}),
        ("trigger-plugin", {"plugin_id": "a/b", "subscription_id": "", "config": {}}),
    ],
)
def test_what_the_editor_writes_is_accepted(kind, data):
    assert trigger(kind, **data).is_pure


def test_a_run_is_told_of_by_its_trigger():
    spec = NodeSpec("t", "trigger-webhook", "T", "1", {"params": [{"name": "page"}]})
    made = graph([GraphNode.of(spec, Registry().create(spec)), end(("page", ("t", "page")))], "t>end")
    request = {"query_params": {"page": "2"}}

    run, journal, _ = run_of(Graph(made.nodes, made.outgoing, "t"), inputs={"webhook_data": request}, trigger_id="t")

    assert run.execute().outputs == {"page": "2"}
    (begin,) = [event for event in journal.events if isinstance(event, RunStarted)]
    assert begin.inputs["webhook_data"] == request

import json
import os
import signal
import subprocess
import sys
import time

import pytest

ORDER = ["-i", "customer=Ada", "-i", "items=tea, 2, 4.5"]

#: One app with every kind of input; it answers what it was given.
INPUTS = """
app: {name: Inputs, mode: workflow}
kind: app
version: 0.5.0
workflow:
  environment_variables:
    - {name: PLACE, value_type: string, value: declared}
  graph:
    nodes:
      - id: start
        data:
          type: start
          variables:
            - {variable: n, type: number, required: false}
            - {variable: flag, type: checkbox, required: false}
            - {variable: obj, type: json_object, required: false}
            - {variable: doc, type: file, required: false, allowed_file_types: [document]}
            - {variable: docs, type: file-list, required: false, allowed_file_types: [document]}
      - id: end
        data:
          type: end
          outputs:
            - {variable: n, value_selector: [start, n]}
            - {variable: flag, value_selector: [start, flag]}
            - {variable: obj, value_selector: [start, obj]}
            - {variable: name, value_selector: [start, doc, name]}
            - {variable: docs, value_selector: [start, docs]}
            - {variable: place, value_selector: [env, PLACE]}
    edges:
      - {source: start, target: end}
"""

#: One app with nodes that ask models of two providers, neither of which is configured.
MODELS = """
app: {name: Models, mode: workflow}
kind: app
version: 0.5.0
workflow:
  graph:
    nodes:
      - {id: start, data: {type: start, variables: [{variable: query, type: text-input, required: true}]}}
      - id: classify
        data:
          type: question-classifier
          query_variable_selector: [start, query]
          model: {provider: langgenius/ollama/ollama, name: any, mode: chat}
          classes: [{id: "1", name: Complaints}, {id: "2", name: Planting trees}]
      - id: extract
        data:
          type: parameter-extractor
          query: [start, query]
          model: {provider: anthropic, name: claude-sonnet-4, mode: chat}
          parameters: [{name: city, type: string, required: true, description: A city}]
      - id: end
        data:
          type: end
          outputs:
            - {variable: class, value_selector: [classify, class_name]}
            - {variable: city, value_selector: [extract, city]}
    edges:
      - {source: start, target: classify}
      - {source: classify, target: extract, sourceHandle: "2"}
      - {source: extract, target: end}
"""


@pytest.fixture
def inputs_app(tmp_path):
    path = tmp_path / "inputs.yml"
    path.write_text(INPUTS)
    return path


def test_outputs_go_to_stdout_and_nodes_to_stderr(penstock, examples):
    done = penstock("run", examples / "order_desk.yml", *ORDER)

    assert done.code == 0
    assert json.loads(done.out)["total"] == 9
    assert [line.split("  ")[0] for line in done.err.splitlines()][:2] == ["✓ Order", "✓ Read the order"]


def test_a_gold_order_takes_the_other_branch(penstock, examples):
    done = penstock("run", examples / "order_desk.yml", "-i", "customer=Ada", "-i", "items=cake, 4, 30", "-i", "speed=express")

    assert "makes you a gold customer" in json.loads(done.out)["receipt"]
    assert "✓ Thank a gold customer" in done.err
    assert "✓ Thank a customer" not in done.err


def test_events_are_the_frames_of_the_api(penstock, examples):
    done = penstock("run", examples / "greeting.yml", "-i", "name=Ada", "--events")

    frames = done.lines()
    assert done.err == ""
    assert [frame["event"] for frame in frames] == [
        "workflow_started",
        *["node_started", "node_finished"],
        *["node_started", "text_chunk", "node_finished"],
        *["node_started", "node_finished"],
        "workflow_finished",
    ]
    assert frames[-1]["data"]["outputs"] == {"text": "Hello, Ada!"}
    assert len({frame["workflow_run_id"] for frame in frames}) == 1


def test_a_failed_run_ends_with_a_sentence_and_a_code(penstock, examples):
    done = penstock("run", examples / "order_desk.yml", "-i", "customer=Ada", "-i", "items=tea")

    assert done.code == 1
    assert done.out == ""
    assert done.err.splitlines()[-1] == "penstock: The run failed: ValueError: not enough values to unpack (expected 3, got 1)"


def test_inputs_are_read_as_the_form_says(penstock, inputs_app, tmp_path):
    for name in ("a.txt", "b.md"):
        (tmp_path / name).write_text(name)

    done = penstock(
        *("run", inputs_app, "-i", "n=2.5", "-i", "flag=yes", "-i", 'obj={"k": [1]}'),
        *("-i", f"doc=@{tmp_path / 'a.txt'}", "-i", f"docs=@{tmp_path / 'a.txt'}", "-i", f"docs=@{tmp_path / 'b.md'}"),
    )

    outputs = json.loads(done.out)
    assert (outputs["n"], outputs["flag"], outputs["obj"]) == (2.5, True, {"k": [1]})
    assert outputs["name"] == "a.txt"
    assert [file["filename"] for file in outputs["docs"]] == ["a.txt", "b.md"]


def test_inputs_can_be_one_object_and_single_ones_overrule_it(penstock, inputs_app, tmp_path):
    (tmp_path / "in.json").write_text('{"n": 1, "flag": true}')

    assert json.loads(penstock("run", inputs_app, "--inputs", '{"n": 7}').out)["n"] == 7
    outputs = json.loads(penstock("run", inputs_app, "--inputs", f"@{tmp_path / 'in.json'}", "-i", "n=3").out)
    assert (outputs["n"], outputs["flag"]) == (3, True)


def test_the_process_supplies_environment_variables(penstock, inputs_app, monkeypatch):
    assert json.loads(penstock("run", inputs_app).out)["place"] == "declared"

    monkeypatch.setenv("PENSTOCK_ENV_PLACE", "supplied")
    assert json.loads(penstock("run", inputs_app).out)["place"] == "supplied"


def test_inputs_that_are_not_given_can_be_made_up(penstock, inputs_app):
    outputs = json.loads(penstock("run", inputs_app, "--sample-inputs", "-i", "n=5").out)

    assert (outputs["n"], outputs["flag"], outputs["obj"]) == (5, True, {"name": "sample name"})
    assert outputs["name"] == "sample.txt"
    assert [file["filename"] for file in outputs["docs"]] == ["sample.txt"]


def test_a_scripted_server_answers_every_provider(penstock, tmp_path):
    path = tmp_path / "models.yml"
    path.write_text(MODELS)

    done = penstock("run", path, "--sample-inputs", "--dev-model")
    scripted = penstock("run", path, "--dev-model", "-i", 'query=Hello [[dev: text="no JSON"]]')

    assert json.loads(done.out) == {"class": "Planting trees", "city": "sample city"}
    assert scripted.err.splitlines()[-1] == "penstock: The run failed: could not find json block in the output."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-i", "n"], "-i n must have the form name=value."),
        (["-i", "x=1"], "The form has no input 'x'; its inputs are: n, flag, obj, doc, docs."),
        (["-i", "n=many"], "n in input form must be a valid number"),
        (["-i", "obj={"], "-i obj is not JSON: "),
        (["--inputs", "[1]"], "--inputs must be a JSON object."),
        (["--inputs", "{"], "--inputs is not JSON: "),
        (["--inputs", "@/no/file"], "--inputs @/no/file cannot be read: "),
        (["-i", "doc=@/no/file.txt"], "There is no file /no/file.txt."),
    ],
)
def test_what_is_wrong_with_an_input_is_said_in_one_sentence(penstock, inputs_app, arguments, sentence):
    done = penstock("run", inputs_app, *arguments)

    assert done.code in (1, 2)
    assert done.err.startswith(f"penstock: {sentence}")
    assert len(done.err.splitlines()) == 1


def test_a_document_that_cannot_run_is_said_before_anything_runs(penstock, tmp_path):
    path = tmp_path / "chat.yml"
    path.write_text(INPUTS.replace("mode: workflow", "mode: chat"))

    assert penstock("run", path).err == "penstock: Dify chat app is not supported by Penstock (app.mode)\n"


SLEEPER = INPUTS[: INPUTS.index("  environment_variables")] + (
    "  graph: {nodes: [{id: start, data: {type: start}}, {id: nap, data: {type: code, code_language: python3, variables: [],"
    ' code: "import time\\ndef main():\\n    time.sleep(600)\\n    return {}", outputs: {}}}],'
    " edges: [{source: start, target: nap}]}\n"
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run(tmp_path, number):
    path = tmp_path / "sleeper.yml"
    path.write_text(SLEEPER)
    env = {**os.environ, "PENSTOCK_SANDBOX_WORKER_TIMEOUT": "600"}
    argv = [sys.executable, "-m", "app.cli", "run", str(path), "--events"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        for line in process.stdout:
            if '"node_id":"nap"' in line:
                break
        asked_at = time.monotonic()
        process.send_signal(number)
        last = json.loads(process.stdout.read().splitlines()[-1])

    assert last["data"]["status"] == "stopped"
    assert time.monotonic() - asked_at < 5
    assert process.returncode == 1

"""`penstock run` of workflows that ask a person."""

import json
import os
import pty
import subprocess

import pytest

from tests.services import documents
from tests.services.processes import SCRIPTS, clean_environment
from tests.services.waiting import wait_for


@pytest.fixture
def asking(tmp_path):
    ask = documents.human_input("ask", "Send {{#start.what#}} to {{#$output.whom#}}?", "whom", "note", actions=["send", "drop"])
    ask["data"]["inputs"][1]["default"] = {"type": "constant", "selector": [], "value": "no note"}
    start = documents.start(documents.variable("what"))
    nodes = [start, ask, documents.end(whom=["ask", "whom"], note=["ask", "note"], done=["ask", "__action_value"])]
    document = documents.workflow("Asking", nodes, [("start", "ask"), ("ask", "end", "send")])
    path = tmp_path / "asking.yml"
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    return path


def test_without_a_terminal_the_run_says_what_it_waits_for(penstock, asking):
    done = penstock("run", asking, "-i", "what=tea")

    assert done.code == 1
    assert done.err.splitlines()[-1] == (
        "penstock: The run waits for a person to fill in the form of node 'ASK' (whom, note; send, drop): "
        "start it on a terminal to answer, or with --sample-inputs."
    )


def test_made_up_inputs_answer_forms_too(penstock, asking):
    done = penstock("run", asking, "--sample-inputs")

    outputs = json.loads(done.out)
    assert (done.code, outputs["done"], outputs["note"]) == (0, "SEND", outputs["whom"])


def test_the_events_of_all_attempts_are_told_once(penstock, asking):
    frames = penstock("run", asking, "--sample-inputs", "--events").lines()

    assert [frame["event"] for frame in frames if frame["event"] != "text_chunk"] == [
        "workflow_started",
        *["node_started", "node_finished"],
        *["node_started", "human_input_required", "workflow_paused"],
        *["workflow_started", "human_input_form_filled", "node_finished"],
        *["node_started", "node_finished"],
        "workflow_finished",
    ]
    assert frames[4]["data"]["form_token"] is None


def test_a_person_at_a_terminal_is_asked_until_the_answer_fits(asking, tmp_path):
    ours, theirs = pty.openpty()
    environment = clean_environment(PENSTOCK_DATA_DIR=str(tmp_path / "data"))
    command = [str(SCRIPTS / "penstock"), "run", str(asking), "-i", "what=tea"]
    process = subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, env=environment, start_new_session=True)
    os.close(theirs)
    shown = bytearray()
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        os.set_blocking(ours, False)

        def has_shown(text):
            shown.extend(terminal.read(4096) or b"")
            return text in shown

        wait_for(lambda: has_shown(b"Send tea to ?"), "the form")
        for question, answer in ((b"whom []: ", b"Ada"), (b"note [no note]: ", b""), (b"Action (send, drop): ", b"send")):
            wait_for(lambda question=question: has_shown(question), "a question")
            terminal.write(answer + b"\n")
        wait_for(lambda: has_shown(b"succeeded in"), "the end")
        out, _ = process.communicate(timeout=30)

    assert process.returncode == 0
    assert json.loads(out) == {"whom": "Ada", "note": "no note", "done": "SEND"}

"""nodes.md section 6.4."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.nodes.model_world import context_of, picture, pool_of
from worker.engine.errors import GraphError, NodeError
from worker.engine.models import Answer, Delta, Features, Media, MediaPart, ModelError, NoModels, TextPart, Usage
from worker.engine.node import NodeSpec
from worker.engine.variables import File, Secret
from worker.llm import anthropic_messages, openai_messages
from worker.llm.memory import ScriptedModels
from worker.llm.parameters import ANTHROPIC_PARAMETERS, OPENAI_PARAMETERS
from worker.llm.providers import Provider
from worker.nodes.llm import LLMNode
from worker.nodes.registry import Registry

MODEL = {"provider": "langgenius/openai/openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
SHOWN_MODEL = {"model_provider": MODEL["provider"], "model_name": "gpt-4o"}
USAGE = Usage(prompt_tokens=40, completion_tokens=2, latency=1.25)
PROMPT = [{"role": "system", "text": "Be brief."}, {"role": "user", "text": "About {{#start.q#}}, {{#start.n#}}?"}]
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}


def spec(**data):
    given = {"model": MODEL, "prompt_template": PROMPT, "context": {"enabled": False}, "vision": {"enabled": False}, **data}
    return NodeSpec("ask", "llm", "Ask", "1", given, path="workflow.graph.nodes[1]")


class Ran:
    """One execution; ``chunks`` is what it streamed."""

    def __init__(self, models=None, *, contents=None, start=None, env=None, **data):
        self.models = models or ScriptedModels(["ok"])
        self.chunks = []
        context = context_of(self.models, contents=contents)
        object.__setattr__(context, "stream", lambda key, text, is_final: self.chunks.append((key, text, is_final)))
        pool = pool_of(start={"q": "boats", "n": 4, **(start or {})}, sys={"files": []}, env=env or {})
        self.result = LLMNode(spec(**data)).run(pool, context)

    @property
    def outputs(self):
        return self.result.outputs

    @property
    def messages(self):
        return [(message.role, message.text) for message in self.models.requests[0].messages]


def failure(**data):
    with pytest.raises(NodeError) as caught:
        Ran(**data)
    return caught.value


def test_the_registry_knows_it():
    assert isinstance(Registry().create(spec()), LLMNode)


def test_the_prompt_is_rendered_and_the_answer_put_out():
    ran = Ran(ScriptedModels([Answer("They float.", usage=USAGE, finish_reason="stop")]))
    assert ran.messages == [("system", "Be brief."), ("user", "About boats, 4?")]
    assert ran.outputs == {"text": "They float.", "reasoning_content": "", "usage": USAGE.to_json(), "finish_reason": "stop"}
    assert ran.result.inputs == {"#start.q#": "boats", "#start.n#": 4, **SHOWN_MODEL}
    assert ran.result.process_data == {
        "model_mode": "chat",
        "prompts": [{"role": "system", "text": "Be brief.", "files": []}, {"role": "user", "text": "About boats, 4?", "files": []}],
        "usage": USAGE.to_json(),
        "finish_reason": "stop",
        **SHOWN_MODEL,
    }
    assert (ran.result.total_tokens, ran.result.metadata["total_tokens"]) == (42, 42)


def test_the_text_streams_and_is_closed():
    ran = Ran(ScriptedModels(["They float."]))
    assert ran.chunks == [("text", "They ", False), ("text", "float.", False), ("text", "", True)]


def test_parameters_and_stop_words_are_sent():
    parameters = {"temperature": 0.2, "max_tokens": "{{#start.n#}}", "stop": ["END"]}
    request = Ran(model={**MODEL, "completion_params": parameters}).models.requests[0]
    assert (request.parameters, request.stop) == ({"temperature": 0.2, "max_tokens": 4}, ("END",))


def test_a_variable_that_is_not_there_fails_the_node():
    error = failure(prompt_template=[{"role": "user", "text": "{{#start.none#}}"}])
    assert (error.message, error.error_type) == ("Variable #start.none# not found", "VariableNotFoundError")


def test_what_a_value_brings_in_is_no_template():
    ran = Ran(start={"q": "{{#start.n#}} {{#context#}}"}, context={"enabled": True, "variable_selector": ["start", "q"]})
    assert ran.messages[1] == ("user", "About {{#start.n#}} {{#context#}}, 4?")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (["a", "b"], "a\nb"),
        ([{"content": "c", "title": "t"}, {"summary": "s", "content": "d"}], "c\ns\nd"),
        ({"a": 1}, ""),
        (None, ""),
    ],
)
def test_the_context_is_put_in_its_place(value, text):
    context = {"enabled": True, "variable_selector": ["start", "found"]}
    prompt = [{"role": "user", "text": "Know <{{#context#}}>."}]
    ran = Ran(start={"found": value}, context=context, prompt_template=prompt)
    assert ran.messages == [("user", f"Know <{text}>.")]
    assert ran.result.inputs.get("#context#", "") == text


def test_a_context_of_another_shape_fails_the_node():
    error = failure(start={"found": [{"a": 1}]}, context={"enabled": True, "variable_selector": ["start", "found"]})
    assert (error.message, error.error_type) == ("Invalid context structure: {'a': 1}", "InvalidContextStructureError")


def jinja(text, *names):
    variables = [{"variable": name, "value_selector": ["start", name]} for name in names]
    message = {"role": "user", "text": "unused {{#start.none#}}", "edition_type": "jinja2", "jinja2_text": text}
    return {"prompt_template": [message], "prompt_config": {"jinja2_variables": variables}}


def test_jinja_prompts_get_plain_objects_and_show_texts():
    ran = Ran(start={"items": [{"a": 1}, "b"]}, **jinja("{{ items[0].a }} of {{ items|length }}", "items"))
    assert ran.messages == [("user", "1 of 2")]
    assert ran.result.inputs == {"items": '{"a": 1}\nb', **SHOWN_MODEL}


def test_jinja_variables_must_be_there():
    assert failure(**jinja("{{ none }}", "none")).message == "Variable none not found"


def test_an_empty_prompt_fails_the_node():
    error = failure(start={"q": ""}, prompt_template=[{"role": "user", "text": "{{#start.q#}}"}])
    assert error.error_type == "NoPromptFoundError"
    assert error.message.startswith("No prompt found in the LLM configuration.")


def test_vision_puts_files_before_the_text_of_the_last_message():
    vision = {"enabled": True, "configs": {"variable_selector": ["start", "pictures"], "detail": "low"}}
    ran = Ran(contents={"a.png": b"abc"}, start={"pictures": [picture()]}, vision=vision)
    last = ran.models.requests[0].messages[-1]
    assert last.parts == (MediaPart(picture(), "low", b"abc"), TextPart("About boats, 4?"))
    assert ran.result.inputs["#files#"] == [picture()]
    assert ran.result.process_data["prompts"][-1]["files"] == [
        {"type": "image", "data": "data:image...[TRUNCATED]...ase64,YWJj", "detail": "low"},
    ]


def test_files_that_a_placeholder_names_become_a_message_behind_the_text():
    paper = File("document", "local_file", "a.pdf", ".pdf", "application/pdf", 3)
    prompt = [{"role": "user", "text": "Read {{#start.paper#}}!"}]
    models = ScriptedModels(features=Features(document=True))
    Ran(models, contents={"a.pdf": b"abc"}, start={"paper": paper}, prompt_template=prompt)
    assert [message.parts for message in models.requests[0].messages] == [(TextPart("Read !"),), (MediaPart(paper, "high", b"abc"),)]


def test_files_that_a_model_cannot_take_are_left_out():
    vision = {"enabled": True, "configs": {"variable_selector": ["start", "picture"]}}
    ran = Ran(ScriptedModels(features=Features(vision=False)), start={"picture": picture()}, vision=vision)
    assert ran.models.requests[0].messages[-1].parts == (TextPart("About boats, 4?"),)


@pytest.mark.parametrize(
    ("kind", "extension", "mime_type"),
    [("audio", ".mp3", "audio/mpeg"), ("video", ".mp4", "video/mp4"), ("document", ".pdf", "application/pdf")],
)
def test_vision_sends_every_kind_of_file_that_the_model_takes(kind, extension, mime_type):
    file = File(kind, "local_file", f"a{extension}", extension, mime_type, 3)
    vision = {"enabled": True, "configs": {"variable_selector": ["sys", "files"], "detail": "high"}}
    for takes in (True, False):
        models = ScriptedModels(features=Features(**{kind: takes}))
        ran = Ran(
            models,
            contents={file.filename: b"abc"},
            start={"file": file},
            vision={**vision, "configs": {"variable_selector": ["start", "file"]}},
        )
        assert [part.file.type for part in models.requests[0].messages[-1].media] == ([kind] if takes else [])
        assert ran.result.inputs["#files#"] == [file]


def test_a_list_of_messages_is_one_text_for_a_model_that_completes():
    ran = Ran(model={**MODEL, "mode": "completion"})
    assert ran.messages == [("system", "Be brief."), ("user", "About boats, 4?")]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"role": "user"},
        {"role": "user", "text": None},
        {"role": "user", "text": "", "edition_type": "basic", "jinja2_text": "unused"},
        {"role": "assistant", "text": "{{#context#}}"},
        {"role": "user", "text": "{{#start.nothing#}}"},
    ],
)
def test_messages_that_come_to_nothing_are_left_out(message):
    assert Ran(start={"nothing": None}, prompt_template=[*PROMPT, message]).messages == [
        ("system", "Be brief."),
        ("user", "About boats, 4?"),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(
    [*OPENAI_PARAMETERS, *ANTHROPIC_PARAMETERS, "thinking", "thinking_budget", "effort", "stop", "json_schema", "max_output_tokens"]
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES | st.text(max_size=5), JSON | st.just("{{#start.q#}} {{#start.none#}}"), max_size=4))
def test_no_parameter_of_a_document_keeps_a_request_from_being_made(given_parameters):
    request = Ran(model={**MODEL, "completion_params": given_parameters}).models.requests[0]
    for provider in (Provider("openai", "openai"), Provider("google", "openai-compatible"), Provider("x", "openai-compatible")):
        json.dumps(openai_messages.body_of(request, provider))
    for name in ("claude-3-5-sonnet", "claude-opus-5"):
        json.dumps(anthropic_messages.body_of(replace(request, model=replace(request.model, name=name))))


def test_a_memory_adds_its_query():
    memory = {"window": {"enabled": False}, "query_prompt_template": "And {{#start.q#}}?"}
    assert Ran(memory=memory).messages[-1] == ("user", "And boats?")


def test_a_leftover_of_chat_apps_fails_the_node():
    error = failure(memory={"query_prompt_template": "{{#sys.query#}}"})
    assert error.message == "Variable #sys.query# not found"


def test_a_memory_without_a_query_adds_nothing():
    assert len(Ran(memory={"window": {"enabled": True, "size": 10}}).messages) == 2


@pytest.mark.parametrize(
    ("text", "memory", "sent"),
    [
        ("Go on: {{#start.q#}}", None, "Go on: boats"),
        ("Go on: {{#start.q#}}", {"window": {}}, "\nGo on: boats"),
        ("<{{#histories#}}> #sys.query#{{#start.q#}}", {"window": {}}, "<> boats"),
    ],
)
def test_completion_prompts_are_one_text(text, memory, sent):
    ran = Ran(model={**MODEL, "mode": "completion"}, prompt_template={"text": text}, memory=memory)
    assert ran.messages == [("user", sent)]
    assert ran.result.process_data["prompts"] == [{"role": "user", "text": sent}]


def test_thoughts_stay_in_the_text_unless_they_are_separated():
    answer = Answer("Yes.", reasoning="Let me see")
    ran = Ran(ScriptedModels([answer]))
    assert (ran.outputs["text"], ran.outputs["reasoning_content"]) == ("<think>\nLet me see\n</think>Yes.", "")
    assert "".join(text for _, text, _ in ran.chunks) == ran.outputs["text"]


@pytest.mark.parametrize("answer", [Answer("Yes.", reasoning="Let me see"), Answer("<think>\nLet me see\n</think>\n\nYes.")])
def test_separated_thoughts_are_an_output_of_their_own(answer):
    ran = Ran(ScriptedModels([answer]), reasoning_format="separated")
    assert (ran.outputs["text"], ran.outputs["reasoning_content"]) == ("Yes.", "Let me see")
    assert "".join(text for _, text, _ in ran.chunks) == "Yes."


def structured(answer, *, native=False, schema=SCHEMA, **more):
    models = ScriptedModels([answer], features=Features(json_schema=native))
    return Ran(models, structured_output={"schema": schema}, structured_output_switch_on=True, **more)


@pytest.mark.parametrize("text", ['{"x": 1}', '[{"x": 1}]', '```json\n{"x": 1,}\n```', "<think>{}</think>{'x': 1}"])
def test_structured_output_is_read_as_far_as_it_can_be(text):
    assert structured(text).outputs["structured_output"] == {"x": 1}


def test_a_model_that_takes_a_schema_gets_it():
    ran = structured('{"x": 1}', native=True)
    assert ran.models.requests[0].json_schema == SCHEMA
    assert ran.messages[0] == ("system", "Be brief.")


def test_other_models_are_told_the_schema_before_the_system_text():
    ran = structured('{"x": 1}')
    role, text = ran.messages[0]
    assert (role, ran.models.requests[0].json_schema) == ("system", None)
    assert '"required": ["x"]' in text
    assert text.endswith("\n\nBe brief.")


@pytest.mark.parametrize(
    ("answer", "schema", "words"),
    [
        ('{"x": "a"}', SCHEMA, r"Structured output validation failed \(stage=result, path=\$\.x\): 'a' is not of type 'integer'"),
        ("No.", SCHEMA, "Failed to parse structured output"),
        ("{}", {"type": "array"}, r"Invalid structured output schema \(stage=schema, path=\$\.type\)"),
        ("{}", {"type": "object", "required": 1}, r"Invalid structured output schema \(stage=schema, path=\$\.required\)"),
    ],
)
def test_structured_output_that_does_not_fit_fails_the_node(answer, schema, words):
    with pytest.raises(NodeError, match=words) as caught:
        structured(answer, schema=schema)
    assert caught.value.error_type == "LLMNodeError"


def test_what_a_failed_output_has_cost_counts():
    models = ScriptedModels([Answer("No.", usage=USAGE)])
    with pytest.raises(NodeError) as caught:
        Ran(models, structured_output={"schema": SCHEMA}, structured_output_switch_on=True)
    assert (caught.value.partial.total_tokens, caught.value.partial.metadata["total_tokens"]) == (42, 42)


def test_the_switch_alone_asks_for_nothing():
    assert "structured_output" not in Ran(structured_output_switch_on=True).outputs


def test_a_failing_model_fails_the_node_and_shows_what_was_asked():
    error = failure(models=ScriptedModels([ModelError("[openai] No.", error_type="InvokeRateLimitError")]))
    assert (error.message, error.error_type) == ("[openai] No.", "InvokeRateLimitError")
    assert error.partial.inputs["#start.q#"] == "boats"
    assert error.partial.process_data["prompts"][0]["text"] == "Be brief."


def test_a_deployment_without_the_provider_says_what_to_do():
    assert "PENSTOCK_PROVIDER_OPENAI_API_KEY" in failure(models=NoModels()).message


def test_secrets_reach_the_model():
    assert Ran(start={"q": Secret("s3cret")}).messages[1] == ("user", "About s3cret, 4?")


def test_an_environment_variable_may_choose_the_model():
    chosen = {"provider": "deepseek", "name": "deepseek-chat", "mode": "chat", "completion_params": {"temperature": 1}}
    request = Ran(env={"MODEL": chosen}, model_selector=["env", "MODEL"]).models.requests[0]
    assert (request.model.provider, request.model.name, request.parameters) == ("deepseek", "deepseek-chat", {"temperature": 1})


def test_a_chosen_model_must_be_of_the_same_mode():
    chosen = {"provider": "deepseek", "name": "deepseek-chat", "mode": "completion"}
    assert "mode completion" in failure(env={"MODEL": chosen}, model_selector=["env", "MODEL"]).message


@pytest.mark.parametrize(
    "data",
    [{"model": {"provider": "x", "mode": "telepathy"}}, {"prompt_template": "x"}, {"prompt_template": [{"role": "judge", "text": "x"}]}],
)
def test_wrong_configurations_are_refused(data):
    with pytest.raises(GraphError):
        LLMNode(spec(**data))


# ---- pictures and sounds in answers


class Drawing(ScriptedModels):
    """Says a word, draws, says another word."""

    def __init__(self, *media, words=("Look: ", " Nice.")):
        super().__init__()
        self._media = media
        self._words = words

    def stream(self, request, cancellation, on_delta):
        deltas = [Delta(self._words[0]), *(Delta(media=media) for media in self._media), Delta(self._words[1])]
        for delta in deltas:
            on_delta(delta)
        return Answer("".join(self._words), media=self._media, usage=USAGE, finish_reason="stop")


PNG = Media("image/png", b"\x89PNG")


def test_pictures_are_stored_and_named_in_the_text_where_they_came():
    ran = Ran(Drawing(PNG))
    [file] = ran.outputs["files"]
    assert (file.type, file.transfer_method, file.extension, file.mime_type, file.size) == ("image", "tool_file", ".png", "image/png", 4)
    link = f"![{file.filename}](https://files/{file.related_id})"
    assert ran.outputs["text"] == f"Look: {link} Nice."
    assert ran.chunks == [("text", "Look: ", False), ("text", link, False), ("text", " Nice.", False), ("text", "", True)]


def test_other_media_are_links_and_what_the_provider_keeps_is_not_fetched():
    ran = Ran(Drawing(Media("audio/wav", b"RIFF"), Media("image/png", url="https://vendor.example/b/a.png?x=1")))
    sound, picture = ran.outputs["files"]
    assert (sound.type, sound.extension) == ("audio", ".wav")
    assert (picture.transfer_method, picture.remote_url, picture.filename) == ("remote_url", "https://vendor.example/b/a.png?x=1", "a.png")
    assert ran.outputs["text"] == (
        f"Look: [{sound.filename}](https://files/{sound.related_id})![a.png](https://vendor.example/b/a.png?x=1) Nice."
    )


def test_without_media_there_are_no_files():
    assert "files" not in Ran(ScriptedModels(["ok"])).outputs


def test_separated_thoughts_leave_pictures_in_the_text():
    ran = Ran(Drawing(PNG, words=("<think>hm</think>", " Nice.")), reasoning_format="separated")
    assert (ran.outputs["reasoning_content"], len(ran.outputs["files"])) == ("hm", 1)
    assert ran.outputs["text"] == f"![{ran.outputs['files'][0].filename}](https://files/{ran.outputs['files'][0].related_id}) Nice."

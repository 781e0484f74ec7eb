import pytest

from app.config import ApiConfig
from tests.services import documents
from tests.unit.app.serving import Caller, Service, form, served

LIMITS = {
    "image_file_size_limit": "10",
    "video_file_size_limit": 100,
    "audio_file_size_limit": 50,
    "file_size_limit": 15,
    "workflow_file_upload_limit": 10,
}


def test_parameters_have_all_their_keys_and_the_form_in_order(service: Service):
    caller = service.publish(form(documents.variable("q", required=True), documents.variable("s", "select", options=["a"])))

    shown = caller.get("/v1/parameters?user=abc-123").json

    assert list(shown) == [
        "opening_statement",
        "suggested_questions",
        "suggested_questions_after_answer",
        "speech_to_text",
        "text_to_speech",
        "retriever_resource",
        "annotation_reply",
        "more_like_this",
        "user_input_form",
        "sensitive_word_avoidance",
        "file_upload",
        "system_parameters",
    ]
    assert shown["user_input_form"] == [
        {"text-input": {"variable": "q", "label": "q", "required": True, "default": "", "type": "text-input"}},
        {"select": {"variable": "s", "label": "s", "required": False, "default": "", "options": ["a"], "type": "select"}},
    ]
    assert shown["system_parameters"] == LIMITS
    image = {"enabled": False, "number_limits": 3, "detail": "high", "transfer_methods": ["remote_url", "local_file"]}
    assert shown["file_upload"] == {"image": image}


def test_the_image_limit_is_a_number_where_the_deployment_says_so():
    with served(ApiConfig(numeric_limits=True, image_file_size_limit=7)) as service:
        shown = service.hello().get("/v1/parameters").json

    assert shown["system_parameters"] == {**LIMITS, "image_file_size_limit": 7}


def test_an_app_without_a_version_has_no_parameters_but_the_rest(service: Service):
    caller = service.publish()

    refusal = {"code": "app_unavailable", "message": "App unavailable, please check your app configurations.", "status": 400}
    assert caller.get("/v1/parameters").json == refusal
    assert [caller.get(f"/v1/{name}").status_code for name in ("info", "meta", "site")] == [200, 200, 200]


def test_info(caller: Caller):
    assert caller.get("/v1/info").json == {"name": "App", "description": "About it", "tags": [], "mode": "workflow", "author_name": None}


def test_site_is_made_from_the_app(caller: Caller):
    shown = caller.get("/v1/site").json

    assert (shown["title"], shown["icon_type"], shown["icon"], shown["description"]) == ("App", "emoji", "X", "About it")
    assert (shown["default_language"], shown["show_workflow_steps"], shown["icon_url"]) == ("en-US", True, None)


def test_meta_without_tools_is_empty(caller: Caller):
    assert caller.get("/v1/meta").json == {"tool_icons": {}}


def test_a_new_version_counts_from_the_next_request_on(service: Service, caller: Caller):
    from worker.store.apps import publish

    assert len(caller.get("/v1/parameters").json["user_input_form"]) == 1
    with service.database.begin() as session:
        publish(session, caller.app_id, form(), "other")

    assert caller.get("/v1/parameters").json["user_input_form"] == []


@pytest.mark.parametrize("path", ["chat-messages", "completion-messages"])
def test_other_modes_need_a_key_and_then_refuse(caller: Caller, path: str):
    assert caller.client.post(f"/v1/{path}").status_code == 401
    wanted = "not_chat_app" if path == "chat-messages" else "app_unavailable"
    assert caller.post(f"/v1/{path}", json={}).json["code"] == wanted


def test_conversations_are_refused(caller: Caller):
    answer = caller.get("/v1/conversations?user=u").json

    assert answer["code"] == "not_chat_app"
    assert answer["message"] == "Please check if your app mode matches the right API route."

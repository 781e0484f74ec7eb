import pytest

from tests.unit.app.serving import Caller, Service

STARTS_WITH = "Authorization header must be provided and start with 'Bearer'"
SCHEME = "Authorization scheme must be 'Bearer'"
INVALID = "Access token is invalid"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, STARTS_WITH),
        ("", STARTS_WITH),
        ("KEY", STARTS_WITH),
        ("Bearer", STARTS_WITH),
        ("Bearer   ", STARTS_WITH),
        ("Basic KEY", SCHEME),
        ("Bearer app-unknown", INVALID),
        ("Bearer KEY more", INVALID),
    ],
)
def test_a_header_that_opens_nothing_is_401(caller: Caller, header: str | None, message: str):
    headers = {} if header is None else {"Authorization": header.replace("KEY", caller.token)}

    answer = caller.client.get("/v1/info", headers=headers)

    assert answer.json == {"code": "unauthorized", "message": message, "status": 401}
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("header", ["Bearer KEY", "bearer KEY", "BEARER \t KEY  "])
def test_scheme_and_blanks_do_not_matter(caller: Caller, header: str):
    answer = caller.client.get("/v1/info", headers={"Authorization": header.replace("KEY", caller.token)})

    assert answer.status_code == 200


def test_a_bad_key_is_401_even_with_a_malformed_body(caller: Caller):
    caller.token = "app-wrong"

    assert caller.post("/v1/workflows/run", data="{", content_type="text/plain").status_code == 401


def test_routing_is_decided_before_authentication(caller: Caller):
    assert caller.client.get("/v1/nope").status_code == 404
    assert caller.client.get("/v1/workflows/run").status_code == 405


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "archived", "api_enabled": False}, "The app's status is abnormal."),
        ({"api_enabled": False}, "The app's API service has been disabled."),
    ],
)
def test_an_app_that_may_not_be_used_is_403(service: Service, changes: dict, message: str):
    answer = service.hello(**changes).get("/v1/info")

    assert answer.json == {"code": "forbidden", "message": message, "status": 403}


def test_a_revoked_key_is_useless_from_the_next_request_on(service: Service, caller: Caller):
    from worker.store.keys import list_keys, revoke_key

    assert caller.get("/v1/info").status_code == 200
    with service.database.begin() as session:
        revoke_key(session, caller.app_id, list_keys(session, caller.app_id)[0].id)

    assert caller.get("/v1/info").status_code == 401


def test_the_use_of_a_key_is_noted_once_a_minute(service: Service, caller: Caller):
    from worker.store.keys import list_keys

    def last_use() -> float | None:
        with service.database.read() as session:
            return list_keys(session, caller.app_id)[0].last_used_at

    caller.get("/v1/info")
    first = last_use()
    caller.get("/v1/info")

    assert first is not None
    assert last_use() == first

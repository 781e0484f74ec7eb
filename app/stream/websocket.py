"""Events as WebSocket messages: the JSON texts that SSE has behind ``data: ``, and ``{"type": "stop"}`` the other way."""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

import orjson
from flask import Blueprint, Flask, g, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed
from simple_websocket.ws import Server

from app.auth import authenticate, bearer_token
from app.body import user_name
from app.errors import APIError, invalid_param, translate
from app.parts import Parts, current_parts
from app.stopping import stop_as
from app.stream.answers import SOCKET, ends_on_pause, error_encoder, open_relay
from app.stream.relay import Relay
from worker.store.keys import KeyedApp
from worker.store.readers import ReadableRun, find_readable

#: Seconds between two protocol pings, and bytes of the largest message that a client may send.
OPTIONS = {"ping_interval": 25, "max_message_size": 1_048_576}

#: Seconds that a client has to send its key, if it cannot set headers.
AUTH_S = 10.0

#: Seconds between two looks whether a connection that says nothing is still there.
LISTEN_S = 30.0

#: Close codes of RFC 6455: normal end, policy violation, restart of this instance.
NORMAL, POLICY, RESTART = 1000, 1008, 1012


def register_websocket(app: Flask) -> None:
    app.config["SOCK_SERVER_OPTIONS"] = OPTIONS
    blueprint = Blueprint("websocket", __name__)
    blueprint.before_request(check_handshake)
    Sock(app).route("/v1/workflows/run/<run_id>/ws", blueprint)(follow_run)
    app.register_blueprint(blueprint)


def check_handshake() -> None:
    """Origin and, if the header is there, key, before the protocol is switched: whoever is refused here gets an HTTP error."""
    check_origin(request.headers.get("Origin"), current_parts())
    if "Authorization" in request.headers:
        g.keyed_app = authenticate(bearer_token(request.headers["Authorization"]))
    if SOCKET in request.environ:
        request.environ[SOCKET] = WholeSocket(request.environ[SOCKET], current_parts().api.send_timeout_s)


def check_origin(origin: str | None, parts: Parts) -> None:
    """No page but the deployment's own and those it names may connect. Raises ``APIError`` 403."""
    allowed = parts.api.websocket_origins
    if origin is None or "*" in allowed or origin in allowed or urlsplit(origin).netloc == request.host:
        return
    raise APIError("forbidden", f"Pages of {origin} may not connect.")


class WholeSocket:
    """A socket whose ``send`` sends everything, from several threads one after the other.

    simple-websocket calls ``send`` and takes it for granted that all bytes go out, which a greenlet's socket does not promise; its
    reading thread answers pings meanwhile.
    """

    def __init__(self, socket: Any, timeout_s: float) -> None:
        # Reading never waits for the socket: simple-websocket selects first, so this bounds sending alone.
        socket.settimeout(timeout_s)
        self._socket = socket
        self._lock = threading.Lock()

    def send(self, data: bytes) -> int:
        with self._lock:
            self._socket.sendall(data)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def follow_run(socket: Server, run_id: str) -> None:
    """The handler of a connection. Ends when the run has ended, the client left, or something was wrong."""
    task_id = ""
    try:
        app, user = identify(socket)
        run = find_run(current_parts(), app.app_id, run_id, user)
        task_id = run.task_id
        follow(current_parts(), socket, app.app_id, run)
    except (ConnectionClosed, OSError):
        # The client left, or does not read any more. That changes nothing about the run.
        return
    except Exception as error:
        # The protocol was switched: what would have been an HTTP error is a message now.
        refuse(socket, error_encoder(run_id, task_id)(translate(error)))


def identify(socket: Server) -> tuple[KeyedApp, str | None]:
    """The app of the key in header or first message, and the user if the client names one. Raises ``APIError``."""
    app: KeyedApp | None = g.get("keyed_app")
    user = user_name(request.args.get("user"))
    if app is not None:
        return app, user
    message = read_message(socket.receive(timeout=AUTH_S) or "{}")
    if message.get("type") != "auth" or not isinstance(message.get("key"), str):
        raise APIError("unauthorized", 'The first message must be {"type": "auth", "key": "..."}.')
    return authenticate(message["key"].strip()), user_name(message.get("user")) or user


def find_run(parts: Parts, app_id: str, run_id: str, user: str | None) -> ReadableRun:
    with parts.database.read() as session:
        run = find_readable(session, app_id, run_id)
    if run is None or run.is_forgotten or user not in (None, run.user):
        raise APIError("not_found", "Workflow run not found")
    return run


def follow(parts: Parts, socket: Server, app_id: str, run: ReadableRun) -> None:
    parts.streams.check_room()
    after = position()
    with ExitStack() as resources:
        subscription = parts.listener.subscribe(run.run_id)
        relay = open_relay(parts, resources, run.run_id, subscription, after=after, ends_on_pause=ends_on_pause(request))
        obedience = threading.Thread(target=obey, args=(parts, socket, app_id, run, relay), name=f"websocket {run.run_id}", daemon=True)
        obedience.start()
        for entry in relay:
            if entry is not None:
                socket.send(entry.frame.decode())
        socket.close(RESTART if relay.is_released else NORMAL)


def position() -> int:
    """``after`` of the query: number of the last event that the client has."""
    given = request.args.get("after", "0")
    if not given.isdecimal() or len(given) > 18:
        raise invalid_param("after must be the number of an event.", "after")
    return int(given)


def obey(parts: Parts, socket: Server, app_id: str, run: ReadableRun, relay: Relay) -> None:
    """Reads what the client sends until it leaves; then its events have no reader any more."""
    try:
        while socket.connected:
            message = socket.receive(timeout=LISTEN_S)
            if message is not None:
                handle(parts, app_id, run, read_message(message))
    except (ConnectionClosed, OSError):
        return
    except Exception as error:
        refuse(socket, error_encoder(run.run_id, run.task_id)(translate(error)))
    finally:
        relay.release()


def handle(parts: Parts, app_id: str, run: ReadableRun, message: dict[str, Any]) -> None:
    """``stop``: in the name of ``user``, if the message has one, as the stop endpoint would. Raises ``APIError`` for anything else."""
    if message.get("type") != "stop":
        raise invalid_param('A message must be {"type": "stop"}.', "type")
    stop_as(parts, app_id, run.task_id, user_name(message.get("user")))


def read_message(text: str | bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise APIError("bad_request", "A message must be JSON.") from error
    if not isinstance(message, dict):
        raise invalid_param("A message must be a JSON object.")
    return message


def refuse(socket: Server, frame: bytes) -> None:
    """Say why, then close."""
    with suppress(ConnectionClosed, OSError):
        socket.send(frame.decode())
        socket.close(POLICY)

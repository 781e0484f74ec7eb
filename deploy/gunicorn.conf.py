"""gunicorn for the API: `gunicorn -c deploy/gunicorn.conf.py app.wsgi:app`; `penstock web` and `penstock up` start it like this.

Streams wait, they do not compute, so one process serves hundreds of them as greenlets.
"""

from gevent import monkey

# Before anything else is imported: what was imported earlier would keep blocking the whole process.
monkey.patch_all()

import errno  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
from contextlib import contextmanager  # noqa: E402

import gevent  # noqa: E402
from gunicorn.http.errors import ParseException  # noqa: E402
from gunicorn.workers.ggevent import GeventWorker  # noqa: E402

#: Seconds between readiness going false and the end of listening, so that a balancer can see it.
NOTICE_S = 1.0

#: Seconds that blocking calls get to be answered once the process is to end; streams are ended at once, since they can be resumed.
CALLS_S = 5.0

#: What may be left of the body of a request that was answered, in bytes and seconds, so that its connection serves others.
REST_BYTES = 64 * 1024
REST_S = 1.0

bind = f"{os.environ.get('HOST', '0.0.0.0')}:{os.environ.get('PORT', '5001')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
#: Above PENSTOCK_MAX_STREAMS, so that a full process answers 503 instead of leaving connections to hang; 0 means no limit there.
max_streams = int(os.environ.get("PENSTOCK_MAX_STREAMS") or 900)
worker_connections = max(1000, max_streams + 100) if max_streams else 100_000
#: The most gunicorn allows; what is longer gets its own answer, which is no JSON.
limit_request_line = 8190
#: Above the idle time of usual balancers (60 s), so that they close connections first and never use one that is just going.
keepalive = 75
#: A worker whose loop stands still this long is killed. It bounds no request: streams and waiting calls may take any time.
timeout = 60
#: Below the 30 s after which platforms kill.
graceful_timeout = 20
#: Proxies in front tell scheme and address of the client; which of them to believe is theirs to say: FORWARDED_ALLOW_IPS.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
#: The heartbeat file must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
#: Nobody asks it for anything, and two deployments of one user would quarrel over its place.
control_socket_disable = True
loglevel = os.environ.get("PENSTOCK_LOG_LEVEL", "info").lower()


def take_turns(req):
    """Let others go on before each piece of a body: a connection that always has something ready never makes its greenlet wait."""
    read = req.body.read

    def read_in_turn(size=None):
        gevent.sleep(0)
        return read(size)

    req.body.read = read_in_turn


def is_read(req, sock):
    """Whether a request's body is at its end, or so near to it that the rest is here in a moment."""
    # Without the turns.
    del req.body.read
    sock.settimeout(REST_S)
    try:
        return len(req.body.read(REST_BYTES)) < REST_BYTES
    except (OSError, ParseException):
        return False
    finally:
        sock.settimeout(None)


class APIWorker(GeventWorker):
    """Knows clients that do not read, and closes idle connections when it is to end instead of waiting for them."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.idle = set()

    def handle_request(self, listener_name, req, sock, addr):
        take_turns(req)
        try:
            super().handle_request(listener_name, req, sock, addr)
        except TimeoutError as error:
            self.log.info("A client that stopped reading is cut off: %s", addr)
            # gunicorn takes this one for what it is: a client that is gone.
            raise ConnectionResetError(errno.ECONNRESET, "The client does not read.") from error
        if not is_read(req, sock):
            # What is left of it would be read to its end before the next request, however much it is.
            raise StopIteration

    @contextmanager
    def timeout_ctx(self):
        """What gunicorn wraps around the wait for the next request of a connection."""
        connection = gevent.getcurrent()
        self.idle.add(connection)
        try:
            with gevent.Timeout(self.cfg.keepalive, False):
                yield
        finally:
            self.idle.discard(connection)

    def end(self):
        """Not ready any more; then no new connections. Streams end behind a whole event, calls a little later."""
        streams = self.wsgi.extensions["penstock"].streams
        drain = gevent.spawn(streams.drain, CALLS_S)
        gevent.sleep(NOTICE_S)
        self.alive = False
        gevent.get_hub().loop.run_callback(self.close_idle)
        drain.join()

    def close_idle(self):
        """In the hub, where nothing runs between the look and the end: a connection whose request has just come in is not idle any more."""
        for connection in list(self.idle):
            if connection in self.idle:
                connection.throw(StopIteration)


worker_class = APIWorker


def on_starting(server):
    """Each connection takes a descriptor, and systems begin with 1,024 of them."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def post_worker_init(worker):
    signal.signal(signal.SIGTERM, lambda number, frame: gevent.spawn(worker.end))


def worker_int(worker):
    """On Ctrl-C and SIGQUIT gunicorn ends at once; clients at least get whole events."""
    worker.wsgi.extensions["penstock"].streams.drain(0)

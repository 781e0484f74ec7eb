"""`penstock dev-model`: a model vendor that answers by script."""

from __future__ import annotations

import signal

import click


@click.command("dev-model")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=5015, show_default=True, help="0: any free port.")
@click.option("--script", default="", metavar="WORDS", help="Directives for every request, such as 'delay_ms=20'.")
def dev_model(host: str, port: int, script: str) -> None:
    """Serve scripted models in the words of OpenAI and Anthropic, for tests and demos.

    Prints `ready URL` when it answers. SIGTERM or Ctrl-C ends it.
    """
    import gevent
    from gevent.event import Event

    from app.dev_model.directives import Directives, of_words
    from app.dev_model.server import serve
    from app.dev_model.service import Service

    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, stop.set)
    defaults = Directives().with_values(of_words(script))
    serve(host, port, Service(defaults), stop, lambda url: click.echo(f"ready {url}"))

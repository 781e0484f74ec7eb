"""The model providers of a run that needs no account: one scripted server of this process in the place of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from worker.config import Config
from worker.engine.models import Models
from worker.llm.catalog import CATALOG, WILDCARD
from worker.llm.providers import no_providers
from worker.model_providers import gateway


@contextmanager
def scripted_models(config: Config) -> Iterator[Models]:
    """Nothing that is configured counts; the server lives as long as the block lasts."""
    # An event loop and an HTTP server that other runs do not need.
    from app.dev_model.server import BackgroundServer

    with BackgroundServer() as server, closing(gateway(config, scripted_settings(f"{server.url}/v1"), no_providers)) as models:
        yield models


def scripted_settings(base_url: str) -> dict[str, str]:
    """One address for every provider; those that are looked for on this machine by default need it said by name."""
    local = [name for name, entry in CATALOG.items() if entry.is_local]
    settings = {"BASE_URL": base_url, "API_KEY": "scripted"}
    return {f"PENSTOCK_PROVIDER_{name.upper()}_{part}": value for name in (WILDCARD, *local) for part, value in settings.items()}

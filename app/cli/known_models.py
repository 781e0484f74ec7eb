"""The model providers of a command: those of the deployment, if there is one, and of the environment."""

from __future__ import annotations

from collections.abc import Mapping

from app.cli.storage import opened
from worker.config import Config
from worker.llm.gateway import ModelGateway
from worker.llm.providers import Provider
from worker.model_providers import gateway, load_providers


def known_models(config: Config, environ: Mapping[str, str]) -> ModelGateway:
    """The database, if there is one, is opened when a model is first asked for."""

    def load() -> Mapping[str, Provider]:
        if not config.database_url and not config.sqlite_file.exists():
            return {}
        with opened(config) as database:
            return load_providers(config, database)

    return gateway(config, environ, load)

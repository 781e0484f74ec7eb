"""The model providers of a deployment: what the environment and ``penstock providers`` say, behind one gateway a process."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from worker.config import Config
from worker.engine.models import NOT_INITIALIZED, ModelError
from worker.llm.calls import Timeouts
from worker.llm.gateway import ModelGateway
from worker.llm.prices import Prices, read_prices
from worker.llm.providers import LoadProviders, Provider, Providers
from worker.store import model_providers as stored
from worker.store.errors import SealError
from worker.store.model_providers import StoredModelProvider
from worker.store.sealing import Sealing
from worker.store.session import Database


def open_models(config: Config, database: Database, environ: Mapping[str, str]) -> ModelGateway:
    """Nothing is connected, and no SDK loaded, before the first call. Raises ``ConfigError``."""
    return gateway(config, environ, partial(load_providers, config, database))


def gateway(config: Config, environ: Mapping[str, str], load: LoadProviders) -> ModelGateway:
    timeouts = Timeouts(
        config.model_connect_timeout_s, config.model_first_token_timeout_s, config.model_token_timeout_s, config.model_timeout_s
    )
    return ModelGateway(
        Providers(environ, load),
        Prices(read_prices(config.model_prices)),
        timeouts,
        config.model_retries,
        sends_addresses=config.multimodal_send_format == "url",
    )


def load_providers(config: Config, database: Database) -> dict[str, Provider]:
    """The stored providers with their keys. Raises ``ModelError`` where a key cannot be opened, ``StorageUnavailable``."""
    rows = database.fetch(stored.list_providers)
    return {row.name: opened(config, row) for row in rows}


def opened(config: Config, row: StoredModelProvider) -> Provider:
    key = ""
    if row.api_key is not None:
        try:
            key = Sealing.find(config).open(stored.SEALED_FOR, row.name, row.api_key)
        except SealError:
            message = f"The key of the model provider {row.name} cannot be opened: it was sealed with another PENSTOCK_SECRET_KEY."
            raise ModelError(message, code=NOT_INITIALIZED, error_type="ProviderTokenNotInitError") from None
    return Provider(row.name, row.type, row.base_url, key, row.api_version)

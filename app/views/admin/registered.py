"""The blueprints of the admin API, in the order in which the documentation shows them."""

from __future__ import annotations

from app.views.admin import (
    apps,
    batches,
    environment,
    keys,
    limits,
    model_providers,
    overview,
    runs,
    schedules,
    tool_providers,
    versions,
    webhooks,
)

BLUEPRINTS = (
    apps.blueprint,
    versions.blueprint,
    keys.blueprint,
    environment.blueprint,
    limits.blueprint,
    runs.blueprint,
    batches.blueprint,
    schedules.blueprint,
    webhooks.blueprint,
    model_providers.blueprint,
    tool_providers.blueprint,
    overview.blueprint,
)

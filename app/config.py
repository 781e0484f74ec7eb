"""Settings that only the API needs; read once from the environment and handed down as an argument.

The table is the documentation, as in ``worker/config.py``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.config import ConfigError, entries, integer, read_settings, seconds, setting, switch, text

MEGABYTE = 1024 * 1024

#: Characters of the token of the admin API, at least.
MIN_TOKEN_LENGTH = 16


def admin_token(value: str) -> str:
    """Raises ``ConfigError`` without the value: it may be a secret that somebody mistyped."""
    if len(value) < MIN_TOKEN_LENGTH or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigError(
            f"PENSTOCK_ADMIN_TOKEN must have at least {MIN_TOKEN_LENGTH} characters: ASCII letters, digits and signs, no blanks; "
            "`openssl rand -hex 32` makes one."
        )
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """What the HTTP process alone needs; sizes are megabytes of 1024 x 1024 bytes."""

    announced_version: str = setting(
        "PENSTOCK_API_VERSION", "1.12.1", text, "Dify version that `X-Version`, `GET /v1/` and `GET /health` announce."
    )
    environment: str = setting("PENSTOCK_API_ENV", "PRODUCTION", text, "Value of the `X-Env` header.")
    run_detail_legacy: bool = setting(
        "PENSTOCK_API_RUN_DETAIL_LEGACY",
        False,
        switch,
        "Run details as of November 2024: RFC 822 dates, `outputs` as JSON text. `X-Dify-Compat: 2024-11` does it for one request.",
    )
    numeric_limits: bool = setting(
        "PENSTOCK_API_NUMERIC_LIMITS", False, switch, "`image_file_size_limit` of `/v1/parameters` as a number instead of a text."
    )
    stop_any_user: bool = setting(
        "PENSTOCK_API_STOP_ANY_USER", False, switch, "Let every `user` of an app stop its runs, not only the one who started them."
    )
    blocking_max_wait_s: float = setting(
        "PENSTOCK_BLOCKING_MAX_WAIT",
        0.0,
        seconds,
        "Seconds after which a blocking call is answered 202 with the run's ids, for proxies that cut earlier. 0: never.",
    )
    max_streams: int = setting(
        "PENSTOCK_MAX_STREAMS", 900, integer, "Open streams and waiting calls of one API process; more are answered 503. 0: no limit."
    )
    ping_interval_s: float = setting("PENSTOCK_PING_INTERVAL", 10.0, seconds, "Seconds between two keep-alive frames of a stream.")
    send_timeout_s: float = setting(
        "PENSTOCK_SEND_TIMEOUT", 30.0, seconds, "Seconds without progress after which a client that stopped reading is cut off."
    )
    websocket_origins: tuple[str, ...] = setting(
        "PENSTOCK_WEBSOCKET_ORIGINS",
        (),
        entries,
        "Origins, beside the deployment's own, whose pages may open WebSockets: `https://app.example`, or `*` for all.",
    )
    max_body_mb: int = setting("PENSTOCK_MAX_BODY_SIZE", 100, integer, "Largest request body in MB.")
    image_file_size_limit: int = setting("PENSTOCK_UPLOAD_IMAGE_FILE_SIZE_LIMIT", 10, integer, "Largest image upload in MB.")
    video_file_size_limit: int = setting("PENSTOCK_UPLOAD_VIDEO_FILE_SIZE_LIMIT", 100, integer, "Largest video upload in MB.")
    audio_file_size_limit: int = setting("PENSTOCK_UPLOAD_AUDIO_FILE_SIZE_LIMIT", 50, integer, "Largest audio upload in MB.")
    file_size_limit: int = setting("PENSTOCK_UPLOAD_FILE_SIZE_LIMIT", 15, integer, "Largest upload of any other kind in MB.")
    workflow_file_upload_limit: int = setting(
        "PENSTOCK_WORKFLOW_FILE_UPLOAD_LIMIT", 10, integer, "Files of one run that `/v1/parameters` announces."
    )
    upload_extension_blacklist: tuple[str, ...] = setting(
        "PENSTOCK_UPLOAD_FILE_EXTENSION_BLACKLIST", (), entries, "File name extensions that may not be uploaded."
    )
    batch_max_file_mb: int = setting("PENSTOCK_BATCH_MAX_FILE_SIZE", 500, integer, "Largest file of a batch in MB.")
    batch_max_items: int = setting("PENSTOCK_BATCH_MAX_ITEMS", 100_000, integer, "Items that one batch may have.")
    batch_max_line_mb: int = setting(
        "PENSTOCK_BATCH_MAX_LINE_SIZE", 10, integer, "Largest line, or row of a table, of a batch's file in MB."
    )
    admin_token: str = field(
        default="",
        repr=False,
        metadata={
            "variable": "PENSTOCK_ADMIN_TOKEN",
            "parse": admin_token,
            "doc": "Opens the [admin API](admin-api.md) at `/admin/v1`: at least 16 characters. Empty: there is no admin API.",
        },
    )
    dependency_timeout_s: float = setting(
        "PENSTOCK_READY_TIMEOUT", 1.0, seconds, "Seconds that `/healthz/ready` waits for the database and for Redis."
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> ApiConfig:
        """Read every setting. Raises ``ConfigError`` that names variable, value and expected form."""
        values: dict[str, Any] = read_settings(cls, environ)
        return cls(**values)

    def upload_limit_mb(self, category: str) -> int:
        """Largest upload of ``image``, ``video``, ``audio`` or anything else, in MB (api-contract.md section 2.6)."""
        by_category = {
            "image": self.image_file_size_limit,
            "video": self.video_file_size_limit,
            "audio": self.audio_file_size_limit,
        }
        return by_category.get(category, self.file_size_limit)

    @property
    def largest_upload_bytes(self) -> int:
        """Largest body of an upload: the largest category and room for the other parts of the form."""
        largest = max(self.image_file_size_limit, self.video_file_size_limit, self.audio_file_size_limit, self.file_size_limit)
        return max(largest + 1, self.max_body_mb) * MEGABYTE

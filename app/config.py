"""Settings that only the API needs; read once from the environment and handed down as an argument.

The table is the documentation, as in ``worker/config.py``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.config import entries, integer, read_settings, seconds, setting, switch, text

MEGABYTE = 1024 * 1024


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
    app_max_active_requests: int = setting(
        "PENSTOCK_APP_MAX_ACTIVE_REQUESTS",
        0,
        integer,
        "Run calls of one app that may be open at a time, over all instances. 0: no limit.",
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

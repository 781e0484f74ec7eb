from dataclasses import fields

import pytest

from app.config import ApiConfig
from worker.config import ConfigError


def test_settings_are_read_by_their_names():
    config = ApiConfig.from_env(
        {
            "PENSTOCK_API_RUN_DETAIL_LEGACY": "true",
            "PENSTOCK_API_NUMERIC_LIMITS": "1",
            "PENSTOCK_BLOCKING_MAX_WAIT": "25",
            "PENSTOCK_MAX_STREAMS": "3",
            "PENSTOCK_WEBSOCKET_ORIGINS": "https://a.example, https://b.example",
        }
    )

    assert (config.run_detail_legacy, config.numeric_limits, config.blocking_max_wait_s) == (True, True, 25.0)
    assert config.max_streams == 3
    assert config.websocket_origins == ("https://a.example", "https://b.example")


def test_a_value_that_cannot_be_used_is_named():
    with pytest.raises(ConfigError, match="PENSTOCK_MAX_STREAMS is 'many', but must be a whole number"):
        ApiConfig.from_env({"PENSTOCK_MAX_STREAMS": "many"})


def test_every_setting_has_a_variable_and_a_line_of_documentation():
    for item in fields(ApiConfig):
        assert item.metadata["variable"].startswith("PENSTOCK_")
        assert item.metadata["doc"].endswith((".", "`"))


def test_the_largest_upload_leaves_room_for_the_rest_of_the_form():
    assert ApiConfig().largest_upload_bytes == 101 * 1024 * 1024
    assert ApiConfig(max_body_mb=500).largest_upload_bytes == 500 * 1024 * 1024

"""Trying a failed node again (nodes.md section 4.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Only these types are retried; the reference server ignores ``retry_config`` elsewhere.
RETRYABLE_TYPES = frozenset({"llm", "code", "http-request", "tool"})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    #: Extra attempts after the first one.
    max_retries: int = 0
    #: Seconds before each of them.
    interval_s: float = 0.0

    @classmethod
    def of(cls, node_type: str, data: Mapping[str, Any]) -> RetryPolicy:
        """The policy of a node's ``retry_config``; none if it is absent, disabled or malformed."""
        config = data.get("retry_config")
        if node_type not in RETRYABLE_TYPES or not isinstance(config, Mapping) or not config.get("retry_enabled"):
            return cls()
        return cls(int(_number(config.get("max_retries"))), _number(config.get("retry_interval")) / 1000)

    def allows(self, failed_attempts: int) -> bool:
        return failed_attempts <= self.max_retries


def _number(value: Any) -> float:
    return max(0.0, float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0

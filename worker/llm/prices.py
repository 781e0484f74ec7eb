"""What tokens cost: the operator's own table first, then the maintained one of ``genai-prices``."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from worker.config import ConfigError
from worker.engine.models import ModelRef, Usage, price_of
from worker.llm.catalog import canonical, entry_of

PER_MILLION = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Price:
    """``tokens x input x unit`` is the price of a prompt (nodes.md section 5.1)."""

    input: Decimal
    output: Decimal
    unit: Decimal = PER_MILLION
    currency: str = "USD"


class Prices:
    """Looks prices up; loads the table at the first model that the operator's own does not have."""

    def __init__(self, own: Mapping[str, Price] | None = None) -> None:
        self._own = own or {}
        self._lock = threading.Lock()
        #: None: nobody knows a price.
        self._found: dict[tuple[str, str], Any] = {}

    def price(self, model: ModelRef, prompt_tokens: int) -> Price | None:
        provider = canonical(model.provider)
        own = self._own.get(f"{provider}/{model.name}") or self._own.get(model.name)
        if own is not None:
            return own
        listed = self._listed(provider, model.name)
        return None if listed is None else Price(at(listed.input_mtok, prompt_tokens), at(listed.output_mtok, prompt_tokens))

    def _listed(self, provider: str, name: str) -> Any:
        with self._lock:
            if (provider, name) not in self._found:
                self._found[provider, name] = look_up(entry_of(provider).price_id, name)
            return self._found[provider, name]


def look_up(price_id: str, name: str) -> Any:
    """The entry of the table, of a provider that it knows; it is part of the package, nothing is fetched."""
    if not price_id:
        return None
    # Here, since most processes never ask for a price.
    import genai_prices

    try:
        return genai_prices.calc_price(genai_prices.Usage(input_tokens=1, output_tokens=1), name, provider_id=price_id).model_price
    except LookupError:
        return None


def at(listed: Any, prompt_tokens: int) -> Decimal:
    """The price of a million tokens; in tiers, the one that the length of the prompt reaches."""
    if listed is None or isinstance(listed, Decimal):
        return listed or Decimal("0.0")
    reached = [tier.price for tier in listed.tiers if prompt_tokens > tier.start]
    return Decimal(reached[-1] if reached else listed.base)


def priced(usage: Usage, price: Price | None) -> Usage:
    """The usage with its prices; without any, all stay ``0.0``."""
    if price is None:
        return usage
    prompt = price_of(usage.prompt_tokens, price.input, price.unit)
    completion = price_of(usage.completion_tokens, price.output, price.unit)
    return Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        prompt_unit_price=price.input,
        prompt_price_unit=price.unit,
        prompt_price=prompt,
        completion_unit_price=price.output,
        completion_price_unit=price.unit,
        completion_price=completion,
        total_price=prompt + completion,
        currency=price.currency,
        latency=usage.latency,
        time_to_first_token=usage.time_to_first_token,
        time_to_generate=usage.time_to_generate,
    )


def read_prices(path: str) -> dict[str, Price]:
    """The operator's table: JSON, ``{"provider/model": {"input": "2.5", "output": "10", "unit": "0.000001", "currency": "USD"}}``.

    The provider may be left out. Raises ``ConfigError``.
    """
    if not path:
        return {}
    try:
        table = json.loads(Path(path).read_text("utf-8"))
        found = {name: _price(fields) for name, fields in table.items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError, InvalidOperation) as error:
        raise ConfigError(f"PENSTOCK_MODEL_PRICES is {path!r}, but that is no table of prices: {error}.") from error
    # Under both, since names of models can contain a slash themselves.
    return {_key(name): price for name, price in found.items()} | found


def _key(name: str) -> str:
    provider, slash, model = name.partition("/")
    return f"{canonical(provider)}/{model}" if slash else name


def _price(fields: Mapping[str, Any]) -> Price:
    unit, currency = Decimal(str(fields.get("unit", PER_MILLION))), str(fields.get("currency", "USD"))
    return Price(Decimal(str(fields["input"])), Decimal(str(fields["output"])), unit, currency)

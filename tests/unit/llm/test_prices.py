import json
from decimal import Decimal

import pytest

from worker.config import ConfigError
from worker.engine.models import ModelRef, Usage
from worker.llm.prices import Price, Prices, priced, read_prices


def test_known_models_have_a_price():
    price = Prices().price(ModelRef("langgenius/openai/openai", "gpt-4o-mini"), 10)
    assert price == Price(Decimal("0.15"), Decimal("0.6"))


def test_a_long_prompt_reaches_the_next_tier():
    prices, model = Prices(), ModelRef("langgenius/gemini/google", "gemini-2.5-pro")
    short, long = prices.price(model, 1000), prices.price(model, 300_000)
    assert short is not None
    assert long is not None
    assert short.input < long.input


@pytest.mark.parametrize("model", [ModelRef("openai", "no-such-model"), ModelRef("ollama", "gpt-4o-mini")])
def test_other_models_have_none_and_cost_nothing(model):
    usage = Usage(10, 5)
    assert Prices().price(model, 10) is None
    assert priced(usage, None).to_json()["total_price"] == "0.0"


def test_the_operators_own_table_counts_first(tmp_path):
    path = tmp_path / "prices.json"
    own = {"input": "2", "output": "4", "unit": "0.001", "currency": "EUR"}
    path.write_text(json.dumps({"openai/gpt-4o-mini": own, "deepseek-ai/DeepSeek-V3": {"input": 1, "output": 2}}))
    prices = Prices(read_prices(str(path)))
    usage = priced(Usage(10, 5), prices.price(ModelRef("langgenius/openai/openai", "gpt-4o-mini"), 10)).to_json()
    assert (usage["prompt_price"], usage["completion_price"], usage["total_price"]) == ("0.0200000", "0.0200000", "0.0400000")
    assert usage["currency"] == "EUR"
    assert prices.price(ModelRef("siliconflow", "deepseek-ai/DeepSeek-V3"), 1) == Price(Decimal(1), Decimal(2))


@pytest.mark.parametrize("text", ["[", "[]", '{"a": 1}', '{"a": {"input": "x", "output": 1}}', '{"a": {"input": 1}}'])
def test_what_is_no_table_is_refused_at_the_start(tmp_path, text):
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="PENSTOCK_MODEL_PRICES"):
        read_prices(str(path))

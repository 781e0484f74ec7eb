"""What model calls used and cost, added up from attempts to nodes, from nodes to rounds and containers (nodes.md section 4.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Spending:
    total_tokens: int = 0
    #: Exact: sums of prices show no rounding.
    total_price: Decimal = Decimal(0)
    #: Empty where no model was asked.
    currency: str = ""

    @classmethod
    def of(cls, total_tokens: int, metadata: Mapping[str, Any]) -> Spending:
        """What one attempt tells in its result, or in what is known of its failure."""
        return cls(total_tokens, Decimal(str(metadata.get("total_price") or 0)), metadata.get("currency") or "")

    @classmethod
    def of_sums(cls, total_tokens: int, total_price: Decimal, currency: str) -> Spending:
        """``NOTHING_SPENT`` itself if it is that."""
        return cls(total_tokens, total_price, currency) if total_tokens or total_price or currency else NOTHING_SPENT

    def __add__(self, later: Spending) -> Spending:
        """Sums; the currency of the later one that has any, as nodes.md section 5.1 adds usages."""
        return Spending(self.total_tokens + later.total_tokens, self.total_price + later.total_price, later.currency or self.currency)

    def __sub__(self, earlier: Spending) -> Spending:
        """What came after ``earlier``, which is part of it."""
        return Spending(self.total_tokens - earlier.total_tokens, self.total_price - earlier.total_price, self.currency)

    def metadata(self) -> dict[str, Any]:
        """Its part of ``execution_metadata``; price and currency only where a model was asked."""
        price = {"total_price": format(self.total_price, "f"), "currency": self.currency} if self.currency else {}
        return {"total_tokens": self.total_tokens, **price}


#: Most nodes ask no model: there is one object for what they spend, and nothing to add up.
NOTHING_SPENT = Spending()

"""Texts with ``{{#node.name#}}`` placeholders (nodes.md section 3.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from worker.engine.variables import MISSING, Rendering, Selector, VariablePool, text_of

#: A node id, then 1 to 10 names; anything else between the marks is literal text.
PLACEHOLDER = re.compile(r"\{\{#([a-zA-Z0-9_]{1,50}(?:\.[a-zA-Z_][a-zA-Z0-9_]{0,29}){1,10})#\}\}")


@dataclass(frozen=True, slots=True)
class Template:
    #: Literal text and selectors, in order; no empty text.
    parts: tuple[str | Selector, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        # With one group in the pattern, the odd pieces are the paths of the placeholders.
        pieces = enumerate(PLACEHOLDER.split(text))
        return cls(tuple(tuple(piece.split(".")) if index % 2 else piece for index, piece in pieces if piece))

    @property
    def selectors(self) -> tuple[Selector, ...]:
        """What the template refers to, in order, repetitions included."""
        return tuple(part for part in self.parts if isinstance(part, tuple))

    def render(self, pool: VariablePool, rendering: Rendering = text_of) -> str:
        """The text with each value in its place; where there is none, its bare path."""
        return "".join([part if isinstance(part, str) else _shown(part, pool, rendering) for part in self.parts])


def _shown(selector: Selector, pool: VariablePool, rendering: Rendering) -> str:
    value = pool.get(selector)
    return ".".join(selector) if value is MISSING else rendering(value, pool.file_url)

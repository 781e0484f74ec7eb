"""Requests made from the OpenAPI document: what it allows, what it forbids, and the edges of both."""

from __future__ import annotations

from collections.abc import Iterator

import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import APIOperation, BaseSchema, Case, GenerationMode


def load(url: str) -> BaseSchema:
    """The document of the API at ``url``, as it is served. No configuration file is looked for."""
    return schemathesis.openapi.from_url(f"{url}/openapi.json", config=schemathesis.Config())


def operations(schema: BaseSchema) -> list[APIOperation]:
    """All of them, in the order of the document. Raises ``schemathesis.errors.InvalidSchema`` for one that cannot be read."""
    return [found.ok() for found in schema.get_all_operations()]


def edges(operation: APIOperation) -> list[Case]:
    """Each limit that the document names, from either side: missing and unknown fields, wrong types, methods and lengths."""
    return list(
        operation.schema.iter_coverage_cases(
            operation,
            generation_modes=list(GenerationMode),
            generation_config=operation.schema.config.generation_for(operation=operation, phase="coverage"),
        )
    )


def drawn(operation: APIOperation, count: int, number: int) -> list[Case]:
    """About ``count`` random requests: a third of the examples of the document where it has some, the rest good and bad ones.

    ``number`` is the seed: the same one draws the same requests.
    """
    kinds = list(strategies(operation))
    each = max(1, count // len(kinds))
    return [case for index, kind in enumerate(kinds) for case in draw(kind, each, number * 10 + index)]


def strategies(operation: APIOperation) -> Iterator[SearchStrategy[Case]]:
    yield from (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)
    if examples := operation.get_strategies_from_examples():
        first, *others = examples
        for other in others:
            first |= other
        yield first


def draw(strategy: SearchStrategy[Case], count: int, number: int) -> list[Case]:
    """Nothing where there is nothing to draw: a request without parameters has no bad ones."""
    found: list[Case] = []

    @seed(number)
    @settings(
        max_examples=count,
        phases=(Phase.generate,),
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def keep(case: Case) -> None:
        found.append(case)

    try:
        keep()
    except Unsatisfiable:
        return found
    return found

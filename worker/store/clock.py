"""The clock of the database: the only one that leases, deadlines and orders are decided by (reliability.md P60)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class now_s(FunctionElement[float]):
    """SQL expression: epoch seconds at the start of the statement, as double precision; the same wherever one statement uses it."""

    type = Float(53)
    inherit_cache = True


@compiles(now_s, "postgresql")
def _postgresql(element: now_s, compiler: SQLCompiler, **options: Any) -> str:
    # Stable, unlike clock_timestamp(), so that a comparison with it can use an index; and not as old as now() in a long transaction.
    return "extract(epoch from statement_timestamp())::double precision"


@compiles(now_s, "sqlite")
def _sqlite(element: now_s, compiler: SQLCompiler, **options: Any) -> str:
    # unixepoch('subsec') needs SQLite 3.42. A Julian day of today resolves 40 microseconds; SQLite's clock has milliseconds.
    return "round((julianday('now') - 2440587.5) * 86400.0, 3)"

"""PostgreSQL as the store, by psycopg 3 (reliability.md P50 to P53)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Engine, create_engine, event, exc

if TYPE_CHECKING:
    import psycopg

#: A connection that went silent is given up within 15 seconds; the URL may say otherwise.
CONNECTION = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "penstock",
}


def create_postgresql_engine(url: URL, pool_size: int, max_overflow: int) -> Engine:
    """An engine on psycopg 3, whatever driver the URL names."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=5,
        pool_recycle=1800,
        use_native_hstore=False,
        connect_args={name: value for name, value in CONNECTION.items() if name not in url.query},
    )
    event.listen(engine, "checkout", _look_for_end)
    return engine


def _look_for_end(connection: psycopg.Connection[Any], *_: Any) -> None:
    """Has a connection replaced, with all the others, that the server has closed while it lay in the pool.

    What the server said of its end comes before the end itself, so it is looked for twice. Costs no round trip, as a ping would: one that
    went silent, and not closed, is found by the statement that uses it, a ping or another.
    """
    # Not imported above: processes on SQLite need no client of PostgreSQL.
    from psycopg import OperationalError

    try:
        connection.pgconn.consume_input()
        connection.pgconn.consume_input()
    except OperationalError as error:
        raise exc.InvalidatePoolError("The server has closed the connection.") from error

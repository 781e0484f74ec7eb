"""PostgreSQL as the store, by psycopg 3 (reliability.md P50 to P53)."""

from __future__ import annotations

from sqlalchemy import URL, Engine, create_engine

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
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=5,
        pool_pre_ping=True,
        pool_recycle=1800,
        use_native_hstore=False,
        connect_args={name: value for name, value in CONNECTION.items() if name not in url.query},
    )

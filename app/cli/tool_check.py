"""What a command checks the tools of a document against."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from app.cli.storage import opened
from worker.config import Config
from worker.engine.tools import Tools
from worker.operating.documents import tools_of
from worker.tools.built_in import BuiltInTools


@contextlib.contextmanager
def known_tools(config: Config) -> Iterator[Tools]:
    """What the deployment has; without a database, which is not made for this, what every one has."""
    if not config.database_url and not config.sqlite_file.exists():
        yield BuiltInTools()
        return
    with opened(config) as database:
        yield tools_of(database, config)

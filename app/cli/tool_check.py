"""What a command checks the tools of a document against."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from app.cli.storage import opened
from app.publish import ToolCheck
from worker.config import Config
from worker.engine.tools import Tools
from worker.environments import Environments
from worker.graphs import Graphs
from worker.nodes.registry import Registry
from worker.store.session import Database
from worker.toolbox import Toolbox
from worker.tools.built_in import BuiltInTools


def tools_of(database: Database, config: Config) -> Toolbox:
    return Toolbox(database, config, Graphs(database, Registry(), config), Environments(database, config, os.environ))


def tool_check(database: Database, config: Config, *, allow_missing: bool) -> ToolCheck:
    return ToolCheck(tools_of(database, config), is_strict=not allow_missing)


@contextlib.contextmanager
def known_tools(config: Config) -> Iterator[Tools]:
    """What the deployment has; without a database, which is not made for this, what every one has."""
    if not config.database_url and not config.sqlite_file.exists():
        yield BuiltInTools()
        return
    with opened(config) as database:
        yield tools_of(database, config)

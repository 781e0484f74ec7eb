"""What a document is checked against: the node types of this release, and the tools of this deployment.

Modules are imported when they are asked for: an API process that nobody imports a document with carries no node.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from worker.config import Config
from worker.engine.node import NodeRegistry
from worker.store.session import Database

if TYPE_CHECKING:
    from worker.toolbox import Toolbox


def node_types() -> NodeRegistry:
    from worker.nodes.registry import Registry

    return Registry()


def tools_of(database: Database, config: Config) -> Toolbox:
    """What the deployment has, registered or built in."""
    from worker.environments import Environments
    from worker.graphs import Graphs
    from worker.nodes.registry import Registry
    from worker.toolbox import Toolbox

    return Toolbox(database, config, Graphs(database, Registry(), config), Environments(database, config, os.environ))

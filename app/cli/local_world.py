"""What runs of this process reach the world through: what the deployment has, or what is made up for trying."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.cli.known_knowledge import known_knowledge
from app.cli.known_models import known_models
from app.cli.local_files import LocalFiles
from app.cli.scripted_models import scripted_models
from app.cli.scripted_web import scripted_web
from app.cli.tool_check import known_tools
from worker.config import Config
from worker.engine.knowledge import Knowledge
from worker.engine.limits import Limits
from worker.engine.memory import SystemClock
from worker.engine.models import Models
from worker.engine.ports import HTTPClient, Ports
from worker.engine.tools import Tools
from worker.outbound.client import GuardedClient
from worker.sandbox.opening import Sandboxes


@dataclass(frozen=True, slots=True)
class Scripted:
    """What scripted servers answer in the place of the world."""

    models: bool = False
    web: bool = False
    #: Files with answers of the web.
    answers: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class LocalWorld:
    http: HTTPClient
    sandboxes: Sandboxes
    models: Models
    tools: Tools
    knowledge: Knowledge

    def ports(self, files: LocalFiles, limits: Limits) -> Ports:
        """For one run."""
        readers = (self.sandboxes.code, self.sandboxes.local, self.sandboxes.documents)
        return Ports(self.http, *readers, files, SystemClock(), limits, self.models, self.tools, self.knowledge)


@contextmanager
def local_world(config: Config, scripted: Scripted) -> Iterator[LocalWorld]:
    """Everything is closed when the block ends. Raises ``ConfigError``, ``ScriptError``."""
    with ExitStack() as stack:
        enter = stack.enter_context
        http = enter(scripted_web(scripted.answers) if scripted.web else closing(GuardedClient.of(config)))
        sandboxes = enter(closing(Sandboxes.open(config)))
        tools = enter(known_tools(config))
        models = enter(scripted_models(config) if scripted.models else closing(known_models(config, os.environ)))
        knowledge = enter(known_knowledge(config, http, models, made_up=scripted.models))
        yield LocalWorld(http, sandboxes, models, tools, knowledge)

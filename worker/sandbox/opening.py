"""The sandboxes that the settings ask for."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from worker.config import Config
from worker.engine.errors import NodeError
from worker.engine.ports import CodeRunner
from worker.sandbox.documents import DocumentSandbox
from worker.sandbox.policy import Policy
from worker.sandbox.remote import RemoteSandbox
from worker.sandbox.runner import SandboxRunner

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sandboxes:
    """Close them when the worker ends."""

    code: CodeRunner
    #: Below this process: runs templates, and code unless a service does.
    local: SandboxRunner
    documents: DocumentSandbox
    policy: Policy
    #: URL of the service that runs code; empty if there is none.
    url: str

    @classmethod
    def open(cls, config: Config) -> Sandboxes:
        """Nothing is started or connected yet. Raises ``ConfigError``."""
        policy = Policy.of(config)
        local = SandboxRunner(config.limits, policy)
        url, key = config.sandbox_url, config.sandbox_api_key
        code = RemoteSandbox(url, key, config.limits, allow_network=policy.allow_network) if url else local
        return cls(code, local, DocumentSandbox(policy), policy, url)

    def announce(self) -> None:
        """Start the local one, and say in the log what confines code and templates."""
        if self.url:
            logger.info("Code runs in the sandbox service of PENSTOCK_SANDBOX_URL; its limits are its own.")
        try:
            tier = self.local.tier()
        except NodeError as error:
            logger.error("Neither templates nor local code can run: %s", error)
            return
        if refusal := self.policy.refusal(tier):
            logger.error("Neither templates nor local code will run: %s", refusal)
        else:
            logger.info("The sandbox of this worker confines by: %s.", tier)
        if self.policy.allow_network:
            logger.warning("Code may use the network, past every guard (PENSTOCK_SANDBOX_NETWORK).")

    def close(self) -> None:
        self.local.close()
        self.documents.close()

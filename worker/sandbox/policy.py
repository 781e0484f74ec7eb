"""What the operator decided about workflow code."""

from __future__ import annotations

from dataclasses import dataclass

from worker.config import Config

#: Parts of a tier (``confinement.STEPS``) that ``PENSTOCK_SANDBOX=required`` asks for, and what is missing without them.
REQUIRED = {"seccomp": "system call filter (seccomp)", "uid": "user of its own (the worker would have to run as root)"}


@dataclass(frozen=True, slots=True)
class Policy:
    #: Run nothing where a part of ``REQUIRED`` is missing.
    is_required: bool = False
    #: Distributions that code may import.
    packages: tuple[str, ...] = ()
    allow_network: bool = False

    @classmethod
    def of(cls, config: Config) -> Policy:
        return cls(config.sandbox == "required", config.sandbox_packages, config.sandbox_network)

    def refusal(self, tier: str) -> str | None:
        """Why nothing may run at this tier."""
        missing = [name for part, name in REQUIRED.items() if part not in tier.split("+")]
        if not self.is_required or not missing:
            return None
        return f"PENSTOCK_SANDBOX is `required`, but on this machine the sandbox has no {' and no '.join(missing)}. It has: {tier}."

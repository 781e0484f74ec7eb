"""What the operator decided about workflow code."""

from __future__ import annotations

from dataclasses import dataclass

from worker.config import Config

#: What ``PENSTOCK_SANDBOX=required`` asks for: parts of a tier (``confinement.STEPS``) of which one must be there, and what is missing
#: without any. The filter keeps code from networks and other processes; the others keep it from the files of the worker.
REQUIRED = (
    (frozenset({"seccomp"}), "system call filter (seccomp)"),
    (
        frozenset({"landlock", "uid"}),
        "wall around its files (Landlock, or a user of its own, for which the worker would have to run as root)",
    ),
)


@dataclass(frozen=True, slots=True)
class Policy:
    #: Run nothing where something of ``REQUIRED`` is missing.
    is_required: bool = False
    #: Distributions that code may import.
    packages: tuple[str, ...] = ()
    allow_network: bool = False

    @classmethod
    def of(cls, config: Config) -> Policy:
        return cls(config.sandbox == "required", config.sandbox_packages, config.sandbox_network)

    def refusal(self, tier: str) -> str | None:
        """Why nothing may run at this tier."""
        missing = [name for parts, name in REQUIRED if parts.isdisjoint(tier.split("+"))]
        if not self.is_required or not missing:
            return None
        return f"PENSTOCK_SANDBOX is `required`, but on this machine the sandbox has no {' and no '.join(missing)}. It has: {tier}."

"""The distributions that the operator lets code import (``PENSTOCK_SANDBOX_PACKAGES``), and what they require."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from worker.config import ConfigError

NAME = re.compile(r"[\w.-]+")


def find_packages(names: Iterable[str]) -> dict[str, str]:
    """Paths of their packages, modules and metadata, by file name. Raises ``ConfigError`` for what is not installed here."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found |= _with_requirements(distribution(name), set())
        except PackageNotFoundError as error:
            raise ConfigError(f"PENSTOCK_SANDBOX_PACKAGES names {name!r}, which is not installed in the worker's environment.") from error
    return found


def _with_requirements(package: Distribution, seen: set[str]) -> dict[str, str]:
    found = _entries(package)
    for name in _required_names(package):
        if name not in seen:
            seen.add(name)
            try:
                found |= _with_requirements(distribution(name), seen)
            except PackageNotFoundError:
                # Needed on other systems or Pythons; if not, the import will say so.
                continue
    return found


def _required_names(package: Distribution) -> list[str]:
    """Without what only its extras need."""
    requirements = [requirement for requirement in package.requires or () if "extra" not in requirement.partition(";")[2]]
    return [found[0] for requirement in requirements if (found := NAME.match(requirement))]


def _entries(package: Distribution) -> dict[str, str]:
    """What its files lie in, directly below the folder that it is installed in. Raises ``ConfigError`` if that is nothing to import."""
    names = {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}
    names = {name for name in names if not name.endswith((".pth", ".egg-link"))}
    if all(name.endswith(".dist-info") for name in names):
        # For example, one that is installed in place (editable).
        raise ConfigError(f"PENSTOCK_SANDBOX_PACKAGES needs {package.name!r}, but its installation lists no files to import.")
    return {name: str(package.locate_file(name)) for name in sorted(names)}

"""What workflow code can import: the standard library, much of it loaded once in the zygote so that no execution has to, and packages
that the operator chose."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence

from worker.sandbox import linux

#: What code nodes import most, and what Jinja loads only when it is needed.
PRELOADED = (
    "_strptime",
    "base64",
    "calendar",
    "collections",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "encodings.idna",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "hmac",
    "html.parser",
    "io",
    "itertools",
    "json",
    "linecache",
    "logging",
    "math",
    "operator",
    "os",
    "pathlib",
    "random",
    "re",
    "secrets",
    "statistics",
    "string",
    "tempfile",
    "textwrap",
    "threading",
    "time",
    "traceback",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
    "uuid",
    "zlib",
    "zoneinfo",
    "jinja2.async_utils",
    "jinja2.constants",
    "jinja2.debug",
)


def preload(names: Sequence[str]) -> None:
    for name in names:
        importlib.import_module(name)


def link_packages(base: str, packages: Mapping[str, str]) -> tuple[int, ...]:
    """Make packages importable, given by their paths, but nothing else that is installed beside them: by links in a folder below ``base``.

    Answers the descriptors that the links lead through, whoever may enter the folders above; they must stay open.
    """
    if not packages:
        return ()
    folder = f"{base}/packages"
    os.mkdir(folder)
    os.chmod(folder, 0o755)
    sites = {os.path.dirname(path) for path in packages.values()} if linux.IS_LINUX else set()
    opened = {site: os.open(site, os.O_RDONLY | os.O_DIRECTORY) for site in sites}
    names = {site: f"/proc/self/fd/{descriptor}" for site, descriptor in opened.items()}
    for name, path in packages.items():
        os.symlink(_renamed(path, names), f"{folder}/{name}")
    sys.path.append(folder)
    return tuple(opened.values())


def reach_by_descriptor(folders: Sequence[str]) -> tuple[int, ...]:
    """Make modules importable that lie in ``folders`` which only root may enter, for a process that no longer is root.

    A descriptor that root opened stands for the folder, whoever may enter the ones above it: an interpreter below ``/root`` is the case.
    Answers the descriptors, which must stay open.
    """
    opened = {folder: os.open(folder, os.O_RDONLY | os.O_DIRECTORY) for folder in folders}
    names = {folder: f"/proc/self/fd/{descriptor}" for folder, descriptor in opened.items()}
    sys.path[:] = [names.get(folder, folder) for folder in sys.path]
    for module in list(sys.modules.values()):
        if isinstance(getattr(module, "__path__", None), list):
            module.__path__ = [_renamed(folder, names) for folder in module.__path__]
    sys.path_importer_cache.clear()
    return tuple(opened.values())


def _renamed(path: str, names: dict[str, str]) -> str:
    for folder, name in names.items():
        if path.startswith(f"{folder}/"):
            return name + path[len(folder) :]
    return path

"""The zygote: a process with one thread that forks a fresh process for each execution and ends those that overstay.

It is started with an empty environment and no descriptor but its control socket (``zygote.py`` is the worker's side), imports what
executions need, and keeps no state of them. It ends when the worker closes the socket or dies.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress

from worker.sandbox import javascript_code, linux, templates
from worker.sandbox.confinement import NETWORK_PLACES, SYSTEM_PLACES, UNPRIVILEGED, Confinement, open_places, probe
from worker.sandbox.execution import Preparation
from worker.sandbox.folders import make_folder, remove_tree
from worker.sandbox.forking import without_fork_handlers
from worker.sandbox.modules import PRELOADED, link_packages, preload, reach_by_descriptor
from worker.sandbox.supervisor import Supervisor

#: Most open files; each execution takes one, and two more while it is started.
OPEN_FILES = 4096

#: When memory is short, the kernel ends executions, or their zygote, before the worker.
OUT_OF_MEMORY_SCORE = "500"

#: Size of the file system in memory that all executions of a zygote share, where one can be had.
MEMORY_FILES = "size=128m,nr_inodes=65536,mode=0711"


def main(control: int, temporary: str, options: str) -> None:
    """Set up, say hello with one line of JSON, serve. ``options``: JSON of ``zygote.Options``."""
    with socket.socket(fileno=control) as channel:
        base = tempfile.mkdtemp(prefix="penstock-sandbox-", dir=temporary)
        try:
            prepared, tier = prepare(base, **json.loads(options))
            channel.sendall(json.dumps({"tier": tier, "folder": base}).encode() + b"\n")
            Supervisor(channel, base, prepared).serve()
        except Exception as error:
            # Nobody reads this process's standard error; the worker raises what it is told instead of a hello.
            channel.sendall(json.dumps({"error": repr(error)}).encode() + b"\n")
        finally:
            remove_base(base)


def prepare(base: str, packages: dict[str, str], allow_network: bool, modules: Sequence[str], engine: str) -> tuple[Preparation, str]:
    """Load what executions need, and find out how far they can be confined here."""
    os.environ.clear()
    os.chmod(base, 0o711)
    adjust_limits()
    with without_fork_handlers():
        preload(PRELOADED)
    templates.warm_up()
    has_namespaces = enter_namespaces(base, keep_network=allow_network)
    kept = link_packages(base, packages)
    preload(modules)
    prepared_engine = javascript_code.load(engine) if engine else None
    library = [folder for folder in sys.path if os.path.isdir(folder)]
    network = NETWORK_PLACES if allow_network else ()
    ours = (f"{sys.base_prefix}/lib", *library, *package_folders(), *packages.values())
    readable = open_places((*SYSTEM_PLACES, *ours, *network))
    trial = make_folder(base, UNPRIVILEGED if os.geteuid() == 0 else None)
    parts, unreadable = probe(readable, trial, library)
    os.rmdir(trial)
    kept += reach_by_descriptor(unreadable)
    confinement = Confinement.of(parts, readable if "landlock" in parts else (), kept, allow_network=allow_network)
    gc.collect()
    gc.freeze()
    return Preparation(confinement, prepared_engine), "+".join(("rlimits", *(("namespaces",) if has_namespaces else ()), *parts))


def adjust_limits() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, OPEN_FILES)), hard))
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(OUT_OF_MEMORY_SCORE)


def enter_namespaces(base: str, *, keep_network: bool) -> bool:
    """As root: no network, no shared memory with others, and the files of executions in memory of bounded size."""
    try:
        linux.leave_namespaces(keep_network=keep_network)
        linux.mount_memory(base, MEMORY_FILES)
    except OSError:
        return False
    return True


def package_folders() -> list[str]:
    """Jinja and what it needs lie elsewhere than the standard library, and load some of their modules late."""
    return [sys.modules[name].__path__[0] for name in ("jinja2", "markupsafe")]


def remove_base(base: str) -> None:
    with suppress(OSError):
        linux.unmount(base)
    with suppress(OSError):
        remove_tree(base)

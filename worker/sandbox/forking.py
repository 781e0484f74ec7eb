"""What a fork does besides forking: functions that modules registered for it (``os.register_at_fork``).

Those of ``threading`` and ``logging`` mend locks that other threads may have held. A zygote has no other thread, so there is nothing to
mend, and they took 0.4 ms of each execution. That of ``random`` is needed, and the execution does it by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_fork_handlers() -> Iterator[None]:
    """Modules that are imported meanwhile register nothing."""
    register = os.register_at_fork
    os.register_at_fork = lambda **handlers: None
    try:
        yield
    finally:
        os.register_at_fork = register

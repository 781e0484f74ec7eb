"""What worker, zygote and the process of an execution say to each other.

The worker sends a ``CALL`` over the control socket, with two descriptors beside it:

    work      worker and execution: the request, which is a line of JSON and perhaps a document behind it, then the answer until the end
    verdict   worker and zygote: closing it cancels; the zygote writes one ``VERDICT`` when the execution is gone for good

The execution never holds a verdict, so whatever hostile code writes, it cannot say how it ended.
"""

from __future__ import annotations

import struct
from enum import IntEnum

#: Wall-clock seconds that the execution may take.
CALL = struct.Struct("!d")
#: An ``End`` and its detail.
VERDICT = struct.Struct("!Bi")

# First byte of an answer.
RESULT = b"R"
FAILURE = b"F"

#: Bytes of the largest answer that the worker reads, unless the bounds of the execution say otherwise.
MAX_ANSWER_BYTES = 10 * 1024 * 1024


class End(IntEnum):
    """How an execution ended, as its zygote saw it."""

    #: Detail: exit status.
    EXITED = 0
    #: Detail: signal number.
    SIGNALLED = 1
    #: Killed at its wall-clock limit.
    TIMED_OUT = 2
    #: Killed because the worker asked for it.
    CANCELLED = 3
    #: No process could be made; detail: errno.
    NOT_STARTED = 4

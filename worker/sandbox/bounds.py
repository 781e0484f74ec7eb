"""How much an execution may use."""

from __future__ import annotations

from dataclasses import dataclass

from worker.sandbox.protocol import MAX_ANSWER_BYTES

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    #: Seconds from start to end.
    wall_s: float
    #: Seconds of processor time.
    cpu_s: int
    #: Bytes of address space, the interpreter's own 30 MiB or so included.
    memory_bytes: int = 512 * MIB
    #: Bytes of one file.
    file_bytes: int = 16 * MIB
    open_files: int = 64
    #: Bytes of the answer.
    answer_bytes: int = MAX_ANSWER_BYTES
    #: Name of the setting that ``wall_s`` comes from; empty if it is fixed.
    wall_setting: str = "PENSTOCK_SANDBOX_WORKER_TIMEOUT"


#: Seconds of processor time, and bytes, of one template. Enough for the largest output by far; a hostile one ends soon.
TEMPLATE_CPU_S = 2
TEMPLATE_MEMORY_BYTES = 256 * MIB

#: Of the extraction of a document's text (reliability.md section 3.4). As a table, the largest upload of plain text grows.
DOCUMENT_BOUNDS = Bounds(wall_s=60.0, cpu_s=60, answer_bytes=32 * MIB, wall_setting="")

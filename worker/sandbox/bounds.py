"""How much an execution may use."""

from __future__ import annotations

from dataclasses import dataclass

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


#: Seconds of processor time, and bytes, of one template. Enough for the largest output by far; a hostile one ends soon.
TEMPLATE_CPU_S = 2
TEMPLATE_MEMORY_BYTES = 256 * MIB

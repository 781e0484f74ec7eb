"""loop-end, which ends its loop after the round it stands in (nodes.md sections 6.16, 6.22)."""

from __future__ import annotations

from worker.nodes.iteration_start import MarkerNode

NODE = MarkerNode

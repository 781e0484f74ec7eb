"""loop-start, where each round of a loop begins (nodes.md sections 6.16, 6.22)."""

from __future__ import annotations

from worker.nodes.iteration_start import MarkerNode

NODE = MarkerNode

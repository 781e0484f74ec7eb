"""Bounds of a run, with the reference server's defaults (nodes.md section 7). Settings carry these names with ``PENSTOCK_``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    #: ``node_started`` events over all frames, without retries.
    workflow_max_execution_steps: int = 500
    #: Seconds from the start of the run.
    workflow_max_execution_time: float = 1200.0
    #: Nodes of one run that may be in flight together.
    graph_engine_max_workers: int = 10
    workflow_call_max_depth: int = 5
    #: Seconds that a run waits for one form at most; after that it ends. A node's own, shorter time-out only ends the wait.
    human_input_global_timeout_seconds: float = 604_800.0
    #: Bytes of one environment variable's value.
    max_variable_size: int = 204_800
    #: Characters of a template's output.
    template_transform_max_length: int = 400_000
    code_max_string_length: int = 400_000
    code_max_number: int = 9_223_372_036_854_775_807
    code_min_number: int = -9_223_372_036_854_775_808
    code_max_precision: int = 20
    code_max_depth: int = 5
    code_max_string_array_length: int = 30
    code_max_object_array_length: int = 30
    code_max_number_array_length: int = 1000
    #: Wall-clock seconds of one code execution.
    sandbox_worker_timeout: float = 15.0
    http_request_max_connect_timeout: float = 10.0
    http_request_max_read_timeout: float = 600.0
    http_request_max_write_timeout: float = 600.0
    #: Bytes.
    http_request_node_max_binary_size: int = 10 * 1024 * 1024
    http_request_node_max_text_size: int = 1024 * 1024

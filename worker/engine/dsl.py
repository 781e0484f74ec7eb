"""Reads a workflow document (dsl.md): a mapping as YAML gives it -> a validated, normalised ``Workflow`` and all findings."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from worker.engine.conversation import read_conversation
from worker.engine.document_bounds import out_of_bounds
from worker.engine.dsl_rules import check_graph
from worker.engine.environment import read_environment
from worker.engine.errors import Finding, GraphError, kind_of
from worker.engine.findings import Findings
from worker.engine.graph_document import START_TYPE, DraftGraph, read_graph
from worker.engine.limits import Limits
from worker.engine.node import NodeRegistry
from worker.engine.workflow import EdgeSpec, EnvironmentVariable, Workflow

__all__ = ["EdgeSpec", "EnvironmentVariable", "Examination", "Workflow", "content_hash", "examine", "read_workflow"]

#: The newest DSL version whose shapes are known (dsl.md section 2.1).
NEWEST_VERSION = (0, 7, 0)

#: A PEP 440 version without epoch and local part; the release, group 1, is what counts.
VERSION = re.compile(
    r"v?(\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?:alpha|a|beta|b|preview|pre|c|rc)[-_.]?\d*)?"
    r"(?:[-_.]?(?:post|rev|r)[-_.]?\d*)?"
    r"(?:[-_.]?dev[-_.]?\d*)?",
    re.ASCII | re.IGNORECASE,
)

WORKFLOW_MODE = "workflow"
CHAT_MODE = "advanced-chat"

#: Modes of other kinds of apps (dsl.md section 3).
OTHER_MODES = frozenset({CHAT_MODE, "chat", "agent-chat", "completion", "agent", "channel", "rag-pipeline"})


@dataclass(frozen=True, slots=True)
class Examination:
    """What an examination of a document found."""

    #: None if there is any error.
    workflow: Workflow | None
    #: Errors and warnings, in document order.
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level != "error")


def examine(document: Any, registry: NodeRegistry | None = None, *, max_variable_size: int = Limits().max_variable_size) -> Examination:
    """Everything that is wrong, or odd, with a document; never raises, whatever the document is.

    With a registry, unknown node types and wrong node configurations are found too.
    """
    findings = Findings()
    if not isinstance(document, Mapping):
        findings.error("invalid_document", "Invalid YAML format: content must be a mapping")
    elif finding := out_of_bounds(document):
        findings.append(finding)
    else:
        workflow = _examine(document, registry, findings, max_variable_size)
        return Examination(None if findings.errors else workflow, tuple(findings))
    return Examination(None, tuple(findings))


def read_workflow(document: Any, registry: NodeRegistry | None = None) -> Workflow:
    """The workflow of a document. Raises ``GraphError`` with every error."""
    examination = examine(document, registry)
    if examination.workflow is None:
        raise GraphError(examination.errors)
    return examination.workflow


def content_hash(document: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of all that decides what a run does; equal documents make equal hashes, whatever their layout."""
    workflow = document.get("workflow")
    parts = workflow if isinstance(workflow, Mapping) else {}
    decisive = {key: parts.get(key) for key in ("graph", "features", "environment_variables", "conversation_variables")}
    text = json.dumps(decisive, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _examine(document: Mapping[str, Any], registry: NodeRegistry | None, findings: Findings, max_size: int) -> Workflow | None:
    _check_version(document.get("version"), findings)
    mode = _read_mode(document, findings)
    app = document.get("app")
    parts = document.get("workflow")
    if not isinstance(parts, Mapping):
        if mode in (WORKFLOW_MODE, CHAT_MODE):
            findings.error("missing_workflow", "Missing workflow data for workflow/advanced chat app", path="workflow")
        return None
    environment = read_environment(parts.get("environment_variables"), findings, max_size)
    # A workflow app has no conversation: what it declares is not even looked at (dsl.md section 7.2).
    declared = parts.get("conversation_variables") if mode == CHAT_MODE else None
    conversation = read_conversation(declared, findings, max_size)
    features = _read_features(parts.get("features"), findings)
    graph = read_graph(parts.get("graph"), findings)
    if graph is None:
        return None
    names = {variable.name for variable in environment}
    graph = check_graph(graph, registry, findings, environment=names, is_chat=mode == CHAT_MODE)
    workflow = _workflow(app if isinstance(app, Mapping) else {}, mode, graph, environment, features, document)
    return replace(workflow, conversation=conversation)


def _workflow(
    app: Mapping[str, Any],
    mode: str,
    graph: DraftGraph,
    environment: tuple[EnvironmentVariable, ...],
    features: Mapping[str, Any],
    document: Mapping[str, Any],
) -> Workflow:
    return Workflow(
        name=_text(app.get("name")),
        description=_text(app.get("description")),
        mode=mode,
        icon=_text(app.get("icon")),
        icon_type=_text(app.get("icon_type"), "emoji"),
        icon_background=_text(app.get("icon_background"), "#FFFFFF"),
        nodes=graph.nodes,
        edges=graph.edges,
        environment=environment,
        features=features,
        start_variables=_start_variables(graph),
        document=document,
    )


def _text(value: Any, default: str = "") -> str:
    return str(value) if isinstance(value, str | int | float) and value != "" else default


def _start_variables(graph: DraftGraph) -> tuple[Mapping[str, Any], ...]:
    declared = next((node.data.get("variables") for node in graph.nodes if node.type == START_TYPE), None)
    return tuple(item for item in declared if isinstance(item, Mapping)) if isinstance(declared, list) else ()


def _check_version(version: Any, findings: Findings) -> None:
    if version is None or version == "":
        return
    if not isinstance(version, str):
        findings.error("invalid_version", f"Invalid version type, expected str, got {type(version)}", path="version")
        return
    match = VERSION.fullmatch(version.strip())
    if match is None:
        findings.error("invalid_version", f"'{version[:40]}' is not a version", path="version")
    elif _release(match[1]) > NEWEST_VERSION:
        newest = ".".join(map(str, NEWEST_VERSION))
        findings.warning("dsl_newer_than_supported", f"version {version} is newer than {newest}, the newest one known", path="version")


def _release(text: str) -> tuple[int, ...]:
    # Digits beyond any real version are cut: Python refuses to parse thousands of them.
    return tuple(int(part[:18]) for part in text.split("."))


def _read_mode(document: Mapping[str, Any], findings: Findings) -> str:
    """The app's mode; reports a document that is no workflow app."""
    if document.get("kind") == "rag_pipeline":
        findings.error("unsupported_kind", "a knowledge pipeline (rag_pipeline) is not supported by Penstock", path="kind")
    app = document.get("app")
    if not isinstance(app, Mapping):
        findings.error("missing_app", "Missing app data in YAML content", path="app")
        return ""
    mode = app.get("mode")
    if not mode:
        findings.error("missing_app_mode", "loss app mode", path="app.mode")
    elif not isinstance(mode, str) or mode not in OTHER_MODES | {WORKFLOW_MODE}:
        findings.error("invalid_app_mode", "Invalid app mode", path="app.mode")
    elif mode != WORKFLOW_MODE:
        findings.error("unsupported_app_mode", f"Dify {mode} app is not supported by Penstock", path="app.mode")
    return mode if isinstance(mode, str) else ""


def _read_features(features: Any, findings: Findings) -> Mapping[str, Any]:
    if features is not None and not isinstance(features, Mapping):
        findings.error("invalid_features", f"features must be a mapping, not {kind_of(features)}", path="workflow.features")
        return {}
    moderation = (features or {}).get("sensitive_word_avoidance")
    if isinstance(moderation, Mapping) and moderation.get("enabled"):
        message = "sensitive_word_avoidance has no effect on workflow apps"
        findings.warning("ignored_feature", message, path="workflow.features.sensitive_word_avoidance")
    return features or {}

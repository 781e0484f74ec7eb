"""From a DSL document to a published app: checked as a whole, then stored in the caller's transaction (dsl.md section 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.orm import Session

from app.documents import parse_document
from worker.engine.dsl import Workflow, examine
from worker.engine.errors import Finding, GraphError
from worker.engine.graph import Graph, compile_graph
from worker.engine.node import NodeRegistry
from worker.engine.tools import Tools, missing_tools
from worker.schedules.following import follow_version, schedule_findings
from worker.store import apps, keys
from worker.store.models import Workflow as StoredVersion
from worker.store.sealed_documents import ProvideSealing, seal_document

#: A document as YAML text, or as the mapping that was read from it.
Document = str | bytes | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Imported:
    """A new app with its first version and its first key."""

    app_id: str
    workflow_id: str
    #: Shown here once; the database keeps only its hash.
    api_key: str
    name: str
    warnings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """The current version of an app after a publication."""

    app_id: str
    workflow_id: str
    version: str
    #: False: the document was the current version already.
    is_new: bool
    name: str
    warnings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """What is wrong, or odd, with a document."""

    #: None if there is any error.
    workflow: Workflow | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level != "error")


@dataclass(frozen=True, slots=True)
class ToolCheck:
    """How the tools that a document names are checked."""

    #: What the deployment has; None: nothing is checked.
    tools: Tools | None = None
    #: Missing tools are errors; else warnings, and the nodes that call them fail when they run.
    is_strict: bool = True

    def findings(self, graph: Graph) -> list[Finding]:
        missing = missing_tools(graph, self.tools) if self.tools is not None else []
        return missing if self.is_strict else [replace(finding, level="warning") for finding in missing]


UNCHECKED = ToolCheck()


def check_document(document: Mapping[str, Any], registry: NodeRegistry, tools: ToolCheck = UNCHECKED) -> Check:
    """Every reason why a document cannot run: the rules of the language, what only the compiled graph shows, and missing tools."""
    examination = examine(document, registry)
    if examination.workflow is None:
        return Check(None, examination.findings)
    try:
        graph = compile_graph(examination.workflow, registry)
    except GraphError as error:
        return Check(None, (*examination.findings, *error.findings))
    found = Check(examination.workflow, (*examination.findings, *schedule_findings(document), *tools.findings(graph)))
    return replace(found, workflow=None) if found.errors else found


@dataclass(frozen=True, slots=True)
class Runnable:
    """A document that was checked and can run."""

    workflow: Workflow
    warnings: tuple[Finding, ...]


def require_runnable(source: Document, registry: NodeRegistry, tools: ToolCheck = UNCHECKED) -> Runnable:
    """Raises ``DocumentError``, ``GraphError`` with every error."""
    document = parse_document(source) if isinstance(source, str | bytes) else source
    check = check_document(document, registry, tools)
    if check.workflow is None:
        raise GraphError(check.errors)
    return Runnable(check.workflow, check.warnings)


def import_document(
    session: Session,
    source: Document,
    registry: NodeRegistry,
    *,
    sealing: ProvideSealing,
    name: str | None = None,
    tools: ToolCheck = UNCHECKED,
) -> Imported:
    """A new app with the document as its published version, and a key for it; ``name`` overrules the document's.

    Nothing is committed here. Raises ``DocumentError``, ``GraphError`` with every error, ``SealError`` for a document with secrets where
    there is no key to seal them with, ``StorageUnavailable``.
    """
    return store_runnable(session, require_runnable(source, registry, tools), sealing=sealing, name=name)


def store_runnable(session: Session, runnable: Runnable, *, sealing: ProvideSealing, name: str | None = None) -> Imported:
    """The part of ``import_document`` that writes."""
    workflow = runnable.workflow
    app = apps.create_app(session, profile_of(workflow, name or workflow.name or "Untitled"))
    version, _ = _store(session, app.id, workflow, sealing)
    _, token = keys.create_key(session, app.id)
    return Imported(app.id, version.id, token, app.name, runnable.warnings)


def publish_document(
    session: Session,
    app_name: str,
    source: Document,
    registry: NodeRegistry,
    *,
    sealing: ProvideSealing,
    tools: ToolCheck = UNCHECKED,
) -> Published:
    """The document as the new current version of an existing app, which keeps its id, name and keys.

    Nothing is committed here. Raises ``NotFound`` and what ``import_document`` raises.
    """
    app = apps.find_app(session, app_name)
    return publish_runnable(session, app.id, require_runnable(source, registry, tools), sealing=sealing)


def publish_runnable(session: Session, app_id: str, runnable: Runnable, *, sealing: ProvideSealing) -> Published:
    """The part of ``publish_document`` that writes. Raises ``NotFound``."""
    app = apps.find_app(session, app_id)
    apps.describe_app(session, app.id, profile_of(runnable.workflow, app.name))
    version, is_new = _store(session, app.id, runnable.workflow, sealing)
    return Published(app.id, version.id, version.version, is_new, app.name, runnable.warnings)


def _store(session: Session, app_id: str, workflow: Workflow, sealing: ProvideSealing) -> tuple[StoredVersion, bool]:
    stored = seal_document(app_id, workflow.document, sealing)
    published = apps.publish(session, app_id, stored.document, stored.content_hash)
    follow_version(session, app_id, workflow.document)
    return published


def profile_of(workflow: Workflow, name: str) -> apps.Profile:
    return apps.Profile(
        name=name,
        description=workflow.description,
        mode=workflow.mode,
        icon_type=workflow.icon_type or None,
        icon=workflow.icon or None,
        icon_background=workflow.icon_background or None,
    )

"""`penstock knowledge`: documents that workflows find passages in, and what the dataset ids of exports stand for."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from app.cli.failures import say, sentence_of
from app.cli.output import print_json, print_table, time_text
from app.cli.settings import pass_config
from app.cli.storage import opened
from worker.config import Config
from worker.engine.errors import NodeError
from worker.engine.inbox import Inbox
from worker.engine.media_types import mime_of_name
from worker.engine.models import Models
from worker.knowledge.adding import make_document
from worker.model_providers import open_models
from worker.sandbox.documents import DocumentSandbox
from worker.sandbox.policy import Policy
from worker.store import knowledge as stored
from worker.store import knowledge_maps as stored_maps
from worker.store.models import KnowledgeBase
from worker.store.sealing import Sealing
from worker.store.session import Database

NAME = click.argument("name", metavar="NAME")
DATASET = click.argument("dataset_id", metavar="DATASET_ID")

#: Reads the text of a file.
Extract = Callable[[Path], str]


@click.group()
def knowledge() -> None:
    """Knowledge bases for knowledge-retrieval nodes.

    Exports name datasets by ids that mean nothing here: `map` says what each one stands for, a base made with `add` or one behind an
    external service.
    """


@knowledge.command()
@NAME
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--embedding", nargs=2, metavar="PROVIDER MODEL", help="Model of a new base: it is searched by meaning too.")
@click.option("--metadata", "pairs", multiple=True, metavar="NAME=VALUE", help="Of all these documents, for metadata filters.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a file.")
@pass_config
def add(config: Config, name: str, files: Sequence[Path], embedding: tuple[str, str] | None, pairs: Sequence[str], as_json: bool) -> None:
    """Add documents to the base NAME, which is made if there is none; one of the same file name is replaced."""
    details, failures = dict(map(_pair, pairs)), 0
    with opened(config) as database, closing(open_models(config, database, os.environ)) as models, _extracting(config) as extract:
        base = _base(database, name, embedding)
        for file in files:
            try:
                document = _document(file, extract, details, models, base)
            except (NodeError, OSError) as error:
                failures += 1
                _report_failure(file, error, as_json)
                continue
            with database.begin() as session:
                stored.save_document(session, base.id, document)
            _report_added(file, base, document, as_json)
    sys.exit(1 if failures else 0)


def _pair(text: str) -> tuple[str, Any]:
    """A number where the value spells one, since filters compare numbers as such."""
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise click.UsageError(f"--metadata {text!r} must have the form NAME=VALUE.")
    try:
        number = json.loads(value)
    except ValueError:
        return name, value
    return name, number if isinstance(number, int | float) and not isinstance(number, bool) else value


def _base(database: Database, name: str, embedding: tuple[str, str] | None) -> KnowledgeBase:
    with database.begin() as session:
        base = stored.ensure_base(session, name, embedding)
    if embedding and (base.embedding_provider, base.embedding_model) != embedding:
        model = f"the model {base.embedding_model} of {base.embedding_provider}" if base.embedding_model else "no embedding model"
        raise click.ClickException(f"The knowledge base {name!r} has {model}; another one needs a new base.")
    return base


@contextmanager
def _extracting(config: Config) -> Iterator[Extract]:
    """Documents may be hostile: they are read in limited processes, as those of workflows are."""

    def extract(file: Path) -> str:
        return sandbox.extract_text(file.read_bytes(), file.suffix, mime_of_name(file.name), Inbox())

    with closing(DocumentSandbox(Policy.of(config))) as sandbox:
        yield extract


def _document(file: Path, extract: Extract, details: dict[str, Any], models: Models, base: KnowledgeBase) -> stored.NewDocument:
    text = extract(file)
    if not text.strip():
        raise NodeError("The document has no text.")
    embedding = (base.embedding_provider or "", base.embedding_model) if base.embedding_model else None
    facts = {"document_name": file.name, "source": "file_upload", "upload_date": int(time.time()), **details}
    return make_document(file.name, text, facts, models, embedding)


def _report_failure(file: Path, error: NodeError | OSError, as_json: bool) -> None:
    reason = (error.strerror if isinstance(error, OSError) else None) or sentence_of(error)
    if as_json:
        print_json({"file": str(file), "error": reason})
    else:
        say(f"{file}: {reason}")


def _report_added(file: Path, base: KnowledgeBase, document: stored.NewDocument, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(file), "base": base.name, "characters": document.size, "chunks": len(document.chunks)})
    else:
        click.echo(f"{document.name} is in {base.name} (chunks: {len(document.chunks)}).")


@knowledge.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a base.")
@pass_config
def list_(config: Config, as_json: bool) -> None:
    """All bases."""
    with opened(config) as database, database.read() as session:
        found = [_base_facts(base, documents, chunks) for base, documents, chunks in stored.list_bases(session)]
    if as_json:
        for facts in found:
            print_json(facts)
    else:
        rows = ((*list(facts.values())[:-1], time_text(facts["created_at"])) for facts in found)
        print_table(("Name", "Documents", "Chunks", "Embedding", "Made"), rows)


def _base_facts(base: KnowledgeBase, documents: int, chunks: int) -> dict[str, Any]:
    embedding = f"{base.embedding_provider} {base.embedding_model}" if base.embedding_model else None
    return {"name": base.name, "documents": documents, "chunks": chunks, "embedding": embedding, "created_at": base.created_at}


@knowledge.command()
@NAME
@click.option("--json", "as_json", is_flag=True, help="One JSON line a document.")
@pass_config
def show(config: Config, name: str, as_json: bool) -> None:
    """The documents of a base, with their metadata."""
    with opened(config) as database, database.read() as session:
        documents = stored.list_documents(session, stored.find_base(session, name).id)
    if as_json:
        for document in documents:
            print_json(asdict(document))
    else:
        titles = ("Document", "Characters", "Chunks", "Added", "Metadata")
        rows = ((item.name, item.size, item.chunks, time_text(item.created_at), json.dumps(item.details)) for item in documents)
        print_table(titles, rows)


@knowledge.command()
@NAME
@click.option("--document", metavar="FILENAME", help="Remove this document only.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_config
def delete(config: Config, name: str, document: str | None, yes: bool) -> None:
    """Remove a base with its documents and the maps to it, or one document of it."""
    with opened(config) as database:
        with database.read() as session:
            base = stored.find_base(session, name)
        what = f"{document} of {name}" if document else name
        if not yes:
            click.confirm(f"Remove {what}?" if document else f"Remove {name} with its documents and the maps to it?", abort=True)
        with database.begin() as session:
            if document:
                stored.delete_document(session, base.id, document)
            else:
                stored.delete_base(session, name)
    click.echo(f"{what} is removed.")


@knowledge.command("map")
@DATASET
@click.option("--local", metavar="NAME", help="A base made with `penstock knowledge add`.")
@click.option("--endpoint", metavar="URL", help="A service that speaks Dify's External Knowledge API, without `/retrieval`.")
@click.option("--knowledge-id", metavar="ID", help="Which of its knowledge bases.")
@click.option("--api-key", metavar="KEY", help="Its key; `-` reads it from stdin, out of sight of others on this machine.")
@pass_config
def map_(config: Config, dataset_id: str, local: str | None, endpoint: str | None, knowledge_id: str | None, api_key: str | None) -> None:
    """Say what a dataset id of exports stands for; an earlier map of it is replaced."""
    _check_target(local, endpoint, knowledge_id, api_key)
    with opened(config) as database:
        sealed = Sealing.provide(config).seal(stored_maps.SEALED_FOR, dataset_id, _key(api_key)) if api_key else None
        with database.begin() as session:
            if local:
                stored_maps.map_local(session, dataset_id, stored.find_base(session, local).id)
            else:
                target = stored_maps.ExternalTarget(endpoint or "", knowledge_id or "", sealed)
                stored_maps.map_external(session, dataset_id, target)
    click.echo(f"{dataset_id} is mapped to {local or endpoint}.")


def _check_target(local: str | None, endpoint: str | None, knowledge_id: str | None, api_key: str | None) -> None:
    external = (endpoint, knowledge_id, api_key)
    if (local and any(external)) or not (local or (endpoint and knowledge_id)):
        raise click.UsageError("Give either --local, or --endpoint and --knowledge-id.")
    if endpoint and (urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).netloc):
        raise click.UsageError("--endpoint must be an http or https URL.")


def _key(given: str) -> str:
    """The option, else what is typed unseen or the first line of standard input."""
    if given != "-":
        return given
    key = str(click.prompt("API key", hide_input=True, err=True)) if sys.stdin.isatty() else sys.stdin.readline().strip()
    if not key:
        raise click.UsageError("There is no API key on stdin.")
    return key


@knowledge.command()
@DATASET
@pass_config
def unmap(config: Config, dataset_id: str) -> None:
    """Forget what a dataset id stands for: nodes that name it fail."""
    with opened(config) as database, database.begin() as session:
        stored_maps.remove_map(session, dataset_id)
    click.echo(f"{dataset_id} is not mapped any more.")


@knowledge.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON line a dataset id.")
@pass_config
def maps(config: Config, as_json: bool) -> None:
    """What every dataset id stands for; never a key."""
    with opened(config) as database, database.read() as session:
        found = [_map_facts(dataset_id, target) for dataset_id, target in stored_maps.list_targets(session).items()]
    if as_json:
        for facts in found:
            print_json(facts)
    else:
        print_table(("Dataset", "Base", "Endpoint", "Knowledge id", "Key"), (list(facts.values()) for facts in found))


def _map_facts(dataset_id: str, target: stored_maps.Target) -> dict[str, Any]:
    if isinstance(target, stored_maps.LocalTarget):
        return {"dataset_id": dataset_id, "local": target.name, "endpoint": None, "knowledge_id": None, "has_key": None}
    has_key = target.api_key is not None
    return {"dataset_id": dataset_id, "local": None, "endpoint": target.endpoint, "knowledge_id": target.knowledge_id, "has_key": has_key}
